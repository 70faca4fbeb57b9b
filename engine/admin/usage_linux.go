package admin

import (
	"os"

	"github.com/prometheus/procfs"

	"eventstreamcore/engine/duty"
)

// readUsage asks /proc; what cannot be read stays zero.
func readUsage(threads []*duty.Thread) (u usage) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return u
	}
	if self, err := proc.Self(); err == nil {
		if stat, err := self.Stat(); err == nil {
			u.Resident, u.CPUSeconds, u.Threads = stat.ResidentMemory(), stat.CPUTime(), stat.NumThreads
		}
		if limits, err := self.Limits(); err == nil {
			u.Limit = limits.OpenFiles
		}
		u.Descriptors, _ = self.FileDescriptorsLen()
	}
	for _, t := range threads {
		u.tasks = append(u.tasks, readTask(proc, t.ID))
	}
	return u
}

func readTask(proc procfs.FS, id int) (t task) {
	thread, err := proc.Thread(os.Getpid(), id)
	if err != nil {
		return t
	}
	if stat, err := thread.Stat(); err == nil {
		t.cpuSeconds = stat.CPUTime()
	}
	if status, err := thread.NewStatus(); err == nil {
		t.voluntary, t.involuntary = status.VoluntaryCtxtSwitches, status.NonVoluntaryCtxtSwitches
	}
	return t
}
