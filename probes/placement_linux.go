package probes

import (
	"os"
	"strconv"
)

// lastCPU is the CPU that a thread of this process ran on last, -1 if it cannot
// be read.
func lastCPU(id int) int {
	dir := "task/" + strconv.Itoa(id)
	s, ok := readTask(os.DirFS("/proc/self"), dir)
	if !ok {
		return -1
	}
	return s.cpu
}
