package metrics

import "eventstreamcore/engine/cpu"

// Sample is one event's way, in the counter's ticks.
type Sample struct {
	ID        uint64
	Intended  uint64 // ns, CLOCK_MONOTONIC_RAW at the sender; 0 is none
	Received  cpu.Ticks
	Processed cpu.Ticks
	Stored    cpu.Ticks
}

// Trace keeps the samples of a measured run: raw stamps in memory that was
// allocated and touched before the run, folded into histograms after it,
// because a histogram written in a hot loop evicts the cache under test.
// One goroutine adds; the samples are read when it has ended.
type Trace struct {
	samples []Sample
	Missed  uint64 // samples that came when the trace was full
}

// NewTrace has room for n samples.
func NewTrace(n int) *Trace {
	samples := make([]Sample, n)
	for i := range samples {
		samples[i].ID = 1 // touch every page now rather than in the run
	}
	return &Trace{samples: samples[:0]}
}

// Add keeps s, or counts it as missed.
func (t *Trace) Add(s Sample) {
	if len(t.samples) == cap(t.samples) {
		t.Missed++
		return
	}
	t.samples = append(t.samples, s)
}

// Samples are those kept, in the order of storing.
func (t *Trace) Samples() []Sample { return t.samples }

// Reset forgets the samples and keeps the memory.
func (t *Trace) Reset() { t.samples, t.Missed = t.samples[:0], 0 }
