package probes

import "fmt"

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
func OpenCounters() (*Counters, error) { return openCounters() }

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
