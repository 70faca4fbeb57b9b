package probes

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"time"

	"eventstreamcore/engine/cpu"
)

// Gap is a stretch in which a spinning thread did not run.
type Gap struct {
	AtNs  int64  `json:"at_ns"` // since the start
	Ns    int64  `json:"ns"`
	Cause string `json:"cause"`
}

// Cause is what a CPU lost to one cause.
type Cause struct {
	Name     string `json:"name"`
	Gaps     int    `json:"gaps"`
	LostNs   int64  `json:"lost_ns"`
	Evidence string `json:"evidence"` // what speaks for it
}

// The causes of gaps. A gap in which the kernel switched no task is an
// interrupt or, in a guest, the host; nothing in the guest tells these apart
// gap by gap, so the interrupts counted and the steal are given as evidence.
const (
	CauseStopped     = "stopped by a signal" // SIGSTOP, a debugger
	CauseRuntime     = "go runtime"          // the thread gave up its CPU: pre-emption, stop-the-world
	CauseTask        = "another task"        // the kernel gave the CPU to someone else
	CauseInterrupt   = "interrupt"           // on a bare machine
	CauseHost        = "interrupt or host"   // in a guest
	CauseUnexplained = "unexplained"         // no switch and no interrupt: firmware, or nothing that is counted
)

// Bucket counts gaps of UnderNs and less that the bucket before does not.
type Bucket struct {
	UnderNs int64 `json:"under_ns"`
	Gaps    int   `json:"gaps"`
}

// Jitter is what one CPU lost while a thread spun on it.
type Jitter struct {
	CPU        int     `json:"cpu"`
	DurationNs int64   `json:"duration_ns"`
	Gaps       int     `json:"gaps"` // over gapNs
	LostNs     int64   `json:"lost_ns"`
	LostShare  float64 `json:"lost_share"`
	WorstNs    int64   `json:"worst_ns"`

	Histogram []Bucket `json:"histogram"`
	Causes    []Cause  `json:"causes"` // what lost most first
	Worst     []Gap    `json:"worst"`  // the longest, longest first

	Interrupts  map[string]int64 `json:"interrupts"` // that came to this CPU, by name
	SoftIRQs    map[string]int64 `json:"softirqs"`
	Voluntary   int64            `json:"voluntary_switches"`
	Involuntary int64            `json:"involuntary_switches"`
	Faults      int64            `json:"page_faults"`
	Migrations  *int64           `json:"migrations"` // nil: the kernel does not say
	WaitedNs    *int64           `json:"waited_ns"`  // runnable and not running
	StealNs     *int64           `json:"steal_ns"`
	Throttled   *int64           `json:"throttled"`
	GHzBefore   float64          `json:"ghz_before"`
	GHzAfter    float64          `json:"ghz_after"`
	Neighbours  []Neighbour      `json:"neighbours"` // that ran on it, the busiest first

	gaps []Gap
}

const (
	// gapNs is how far apart two looks at the clock must be for a gap.
	gapNs      = 1000
	gapsKept   = 1 << 16 // a CPU; further ones are counted, not listed
	worstKept  = 64
	neighbours = 5
	tickNs     = 10_000_000 // of /proc/stat: USER_HZ is 100 on every Linux
)

// bucketBounds are the histogram's upper ends in ns: 1, 2, 5 steps to 10 s.
var bucketBounds = []int64{2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 1e9, 1e10}

// MeasureJitter spins on every CPU given at once, for the duration, with the
// collector off, and returns for each what it lost and to what. root is where
// proc and sys are, os.DirFS("/").
func MeasureJitter(clock cpu.Clock, root fs.FS, cpus []int, duration time.Duration) ([]Jitter, error) {
	if len(cpus) == 0 {
		return nil, errors.New("jitter: no CPUs to spin on")
	}
	if duration <= 0 || duration > time.Hour {
		return nil, fmt.Errorf("jitter for %v: from 1ms to 1h", duration)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	continued, stop := WatchContinues()
	defer stop()
	spinners := make([]spinner, len(cpus))
	for i := range spinners {
		spinners[i].gaps = make([]rawGap, 0, gapsKept)
	}
	tasks, before := readTasks(root), readTally(root, cpus)
	if err := together(cpus, func(i int) { spinners[i].run(clock, duration) }); err != nil {
		return nil, fmt.Errorf("jitter: %w", err)
	}
	after, tasksAfter := readTally(root, cpus), readTasks(root)
	list := make([]Jitter, len(cpus))
	guest := isGuest(root)
	for i, c := range cpus {
		j := spinners[i].summary(clock, c)
		j.Interrupts, j.SoftIRQs = rose(before.interrupts, after.interrupts, c), rose(before.softirqs, after.softirqs, c)
		j.StealNs = difference(before.stealTicks, after.stealTicks, c, tickNs)
		j.Throttled = difference(before.throttled, after.throttled, c, 1)
		j.Neighbours = neighboursOn(c, tasks, tasksAfter, spinners)
		j.attribute(clock, spinners[i], continued(), guest)
		list[i] = j
	}
	return list, nil
}

func difference(before, after map[int]int64, c int, unit int64) *int64 {
	b, hadBefore := before[c]
	a, hadAfter := after[c]
	if !hadBefore || !hadAfter {
		return nil
	}
	d := (a - b) * unit
	return &d
}

// neighboursOn lists who else ran meanwhile and was last seen on the CPU.
func neighboursOn(c int, before, after map[int]taskState, spinners []spinner) []Neighbour {
	list := []Neighbour{}
	for tid, a := range after {
		ran := a.ranNs - before[tid].ranNs
		own := slices.ContainsFunc(spinners, func(s spinner) bool { return s.thread == tid })
		if a.cpu == c && ran > gapNs && !own {
			list = append(list, Neighbour{Process: a.process, Thread: tid, Name: a.name, RanNs: ran})
		}
	}
	slices.SortFunc(list, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(b.RanNs, a.RanNs), cmp.Compare(a.Thread, b.Thread))
	})
	return list[:min(len(list), neighbours)]
}
