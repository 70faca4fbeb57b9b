package cpu

// Switches counts the calling thread's context switches, voluntary and not, and
// its page faults, since it began; zeros where the system does not say. It does
// not tell the runtime's scheduler of the system call, for that would be a
// chance to lose the CPU.
func Switches() (voluntary, involuntary, faults int64) { return switches() }
