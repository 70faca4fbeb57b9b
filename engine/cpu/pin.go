package cpu

import "fmt"

// Pin wires the calling goroutine to its thread and the thread to the CPUs
// given, then reads the mask back: what the kernel holds must be what was
// asked. A pinned thread is never unlocked: when its goroutine ends, the
// runtime ends the thread with it, so no other goroutine inherits the mask.
func Pin(cpus ...int) error { return pin(cpus) }

// Allowed lists the CPUs that the calling thread may run on, ascending.
func Allowed() ([]int, error) { return allowed() }

// Current is the CPU and NUMA node that the caller runs on at this moment.
func Current() (cpu, node int, err error) { return current() }

// Confine moves every thread of this process, except those in keep, to the
// CPUs given: the garbage collector and the scheduler's own threads then leave
// the measured CPUs alone. Threads started later inherit the mask of the one
// that starts them, so it is to be called again, or checked with Threads,
// after start-up.
func Confine(keep map[int]bool, cpus ...int) error { return confine(keep, cpus) }

// ThreadID is the kernel's id of the calling thread.
func ThreadID() int { return threadID() }

// Thread is one kernel thread of this process and where it may run.
type Thread struct {
	ID      int
	Name    string
	Allowed []int // CPUs, ascending
}

// Threads lists this process's threads with their masks.
func Threads() ([]Thread, error) { return threads() }

// MismatchError says that the kernel holds another mask than was asked.
type MismatchError struct{ Asked, Got []int }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("pinned to CPUs %v but may run on %v: check the cpuset and the affinity this process was started with", e.Asked, e.Got)
}
