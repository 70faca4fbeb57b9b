package probes

import "io/fs"

// Counts is what the kernel has counted on some CPUs until now: interrupts,
// softirqs, time stolen by the host, thermal events, frequency. Two of them make
// a Disturbance.
type Counts struct {
	cpus  []int
	tally tally
	quota *int64 // times that a cgroup of this process was throttled
}

// ReadCounts reads the counters of the CPUs given below root, os.DirFS("/") for
// this machine. It takes about a millisecond: never during a measurement.
func ReadCounts(root fs.FS, cpus []int) Counts {
	return Counts{cpus, readTally(root, cpus), machine{root: root}.throttlings()}
}

// QuotaSince is how often a cgroup above this process was throttled meanwhile;
// nil where none counts it.
func (c Counts) QuotaSince(before Counts) *int64 {
	if c.quota == nil || before.quota == nil {
		return nil
	}
	n := *c.quota - *before.quota
	return &n
}

// Disturbance is what one CPU was disturbed by between two readings. A nil is
// what this kernel does not count.
type Disturbance struct {
	CPU        int
	Interrupts map[string]int64 // by name
	SoftIRQs   map[string]int64
	StealNs    *int64 // in steps of 10 ms
	Throttled  *int64 // thermal events
	KHz        *int64 // frequency at the end, as the kernel's driver says
}

// Since is what came between, for each CPU of the later reading.
func (c Counts) Since(before Counts) (list []Disturbance) {
	for _, n := range c.cpus {
		d := Disturbance{CPU: n, Interrupts: rose(before.tally.interrupts, c.tally.interrupts, n), SoftIRQs: rose(before.tally.softirqs, c.tally.softirqs, n),
			StealNs: difference(before.tally.stealTicks, c.tally.stealTicks, n, tickNs), Throttled: difference(before.tally.throttled, c.tally.throttled, n, 1)}
		if khz, known := c.tally.curKHz[n]; known {
			d.KHz = &khz
		}
		list = append(list, d)
	}
	return list
}

// CauseOf is the cause of a gap in which a thread was switched so often, by its
// own doing or not, on a guest or on a bare machine.
func CauseOf(voluntary, forced int64, guest bool) string {
	return causeOf(rawGap{voluntary: voluntary, involuntary: forced}, guest, true)
}

// IsGuest reports whether anything below root says that a hypervisor runs this
// machine.
func IsGuest(root fs.FS) bool { return isGuest(root) }
