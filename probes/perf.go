package probes

import (
	"errors"
	"fmt"
)

// Count is one performance counter over an interval. Where the PMU had fewer
// counters than were asked for, the kernel took turns: Value is scaled up, and
// Share is the part of the interval in which it really counted.
type Count struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Share float64 `json:"share"`
}

// Counters are performance counters of the thread that opened them. They belong
// to it: open, start, read and close them there, with the goroutine locked.
type Counters struct {
	events []openEvent

	PMU     string   // what counts cycles; "" where nothing does
	Missing []string // what this machine does not count, and why
}

// openEvent is one counter that the kernel gave.
type openEvent struct {
	name string
	fd   int
}

// OpenCounters opens what the machine has of cycles, instructions, cache, TLB
// and branch misses, and the kernel's own counts of switches, migrations and
// page faults. Without a PMU, as in most guests, only the kernel's own are
// opened and Missing says so. An error means that not even these can be had.
func OpenCounters() (*Counters, error) { return openCounters(0) }

// OpenCountersOf is OpenCounters for another thread of this process, by the
// kernel's id; any thread may then start, stop and close them.
func OpenCountersOf(thread int) (*Counters, error) { return openCounters(thread) }

// Start sets every counter to 0 and lets it count.
func (c *Counters) Start() error { return c.start() }

// Stop stops the counters and returns what they counted since Start.
func (c *Counters) Stop() ([]Count, error) { return c.stop() }

// Close gives the counters back.
func (c *Counters) Close() error { return c.closeAll() }

// Counted counts around f, on the calling thread, which it locks meanwhile.
func Counted(f func()) (counts []Count, missing []string, err error) {
	return counted(f)
}

// Of is the count of that name.
func Of(counts []Count, name string) (Count, bool) {
	for _, c := range counts {
		if c.Name == name {
			return c, true
		}
	}
	return Count{}, false
}

// paranoidError says what the kernel forbids and what would allow it.
func paranoidError(level string) error {
	return fmt.Errorf("performance counters are forbidden (kernel.perf_event_paranoid is %s): allow them with 'sysctl kernel.perf_event_paranoid=1', or give the program CAP_PERFMON: setcap cap_perfmon+ep FILE", level)
}

// PerfSurvey is what this machine counts, shown on two walks whose misses are
// known: over 4 KiB, and over 64 MiB.
type PerfSurvey struct {
	PMU     string   `json:"pmu"`   // "" is none
	Walks   int      `json:"walks"` // loads in each
	Near    []Count  `json:"near"`
	Far     []Count  `json:"far"`
	Missing []string `json:"missing"`
}

// perfWalk is how many loads are counted: enough for the counting itself not to
// show.
const perfWalk = 1 << 18

// surveyPerf counts around a walk that hits the nearest cache and one that
// misses them all, on CPU on. An error says what forbids counting and how to
// allow it.
func surveyPerf(on int) (p PerfSurvey, err error) {
	p = PerfSurvey{Walks: perfWalk, PMU: findPMU(), Missing: []string{}}
	var inner error
	err = pinned(on, func() {
		for _, walked := range []struct {
			bytes int
			into  *[]Count
		}{{4 << 10, &p.Near}, {64 << 20, &p.Far}} {
			memory, err := newPages(walked.bytes, anyNode)
			if err != nil {
				inner = err
				return
			}
			links := memory.links()
			chain(links)
			at := walk(links, 0, len(links)/4)
			*walked.into, p.Missing, err = Counted(func() { at = walk(links, at, perfWalk) })
			if inner = errors.Join(err, memory.release()); inner != nil {
				return
			}
		}
	})
	return p, errors.Join(err, inner)
}
