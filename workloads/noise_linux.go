package workloads

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// readSystem reads the process's own counters (getrusage(2)) and the steal
// column of /proc/stat.
func (n *noise) readSystem() {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		n.voluntary, n.involuntary, n.minorFaults = u.Nvcsw, u.Nivcsw, u.Minflt
	}
	n.steal = -1
	if stat, err := os.ReadFile("/proc/stat"); err == nil {
		var user, nice, system, idle, iowait, irq, softirq, steal int64
		if _, err := fmt.Sscanf(string(stat), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err == nil {
			n.steal = steal
		}
	}
}
