package topology

import "fmt"

// Check says in one line why threads cannot be pinned to all of these CPUs; nil
// if they can.
func (t *Topology) Check(cpus List) error {
	if len(cpus) == 0 {
		return fmt.Errorf("no CPUs are named: usable are %v", t.Usable())
	}
	for _, c := range cpus {
		switch {
		case t.Usable().Has(c):
		case t.Online.Has(c):
			return fmt.Errorf("CPU %d is outside this process's cpuset or affinity: usable are %v", c, t.Usable())
		case t.CPUDirs.Has(c):
			return fmt.Errorf("CPU %d is offline: bring it up with 'echo 1 > /sys/devices/system/cpu/cpu%d/online', or use some of %v", c, c, t.Usable())
		default:
			return fmt.Errorf("CPU %d is not there: this machine has %v", c, t.CPUDirs)
		}
	}
	return nil
}
