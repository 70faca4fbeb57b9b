package metrics

import (
	"unsafe"

	"eventstreamcore/engine/cpu"
)

// Sample is one event's way, in the counter's ticks. The moments follow each
// other: what lies between two of them is a stage's work or a wait in a queue.
// Those in the middle are 0 unless the trace is of stages.
type Sample struct {
	ID       uint64
	Handle   uint64 // by which the stages knew it
	Intended uint64 // ns, CLOCK_MONOTONIC_RAW at the sender; 0 is none

	Received  cpu.Ticks // ingest had its bytes
	Offered   cpu.Ticks // ingest was done with it
	Routed    cpu.Ticks // the dispatcher took it
	Taken     cpu.Ticks // its processor took it
	Processed cpu.Ticks // and was done with it
	Gathered  cpu.Ticks // the storer took it
	Stored    cpu.Ticks // and had appended it
}

// Stage is a moment that a stage notes in a log of its own, for it does not touch the event.
type Stage int

// The stages that note theirs.
const (
	Offered Stage = iota
	Routed
	Taken
	stages
)

// at is where a sample has the moment.
func (s *Sample) at(stage Stage) *cpu.Ticks {
	return [stages]*cpu.Ticks{&s.Offered, &s.Routed, &s.Taken}[stage]
}

// Trace keeps the samples of a measured run: raw stamps in memory that was
// allocated and touched before the run, folded into histograms after it,
// because a histogram written in a hot loop evicts the cache under test.
// One goroutine adds; the samples are read when it has ended.
type Trace struct {
	samples []Sample
	Missed  uint64 // samples that came when the trace was full

	staged bool // stages have logs
	silent bool // and leave them alone
	marks  [stages][]*Marks
	open   map[uint64]cpu.Ticks // by handle: of events that a stage has had and that are not stored yet
}

// NewTrace has room for n samples, without the moments that stages note.
func NewTrace(n int) *Trace { return &Trace{samples: touched[Sample](n)} }

// NewStagedTrace is NewTrace with every moment of a sample: each stage reads the
// counter once more for each batch, and writes 16 bytes for each event.
func NewStagedTrace(n int) *Trace {
	t := NewTrace(n)
	t.staged, t.open = true, map[uint64]cpu.Ticks{}
	return t
}

// touched is room for n, whose pages come now rather than in the run.
func touched[T any](n int) []T {
	all := make([]T, n)
	clear(all)
	return all[:0]
}

// Add keeps s, or counts it as missed.
func (t *Trace) Add(s Sample) {
	if len(t.samples) == cap(t.samples) {
		t.Missed++
		return
	}
	t.samples = append(t.samples, s)
}

// Staged reports whether stages note their moments; a nil trace has none.
func (t *Trace) Staged() bool { return t != nil && t.staged && !t.silent }

// Stamp has the stages of a staged trace note their moments in the next run, or
// not: what that costs would be part of the latency. Between two runs, as Reset.
func (t *Trace) Stamp(on bool) {
	t.silent = !on
	for _, logs := range t.marks {
		for _, m := range logs {
			m.silent = !on
		}
	}
}

// Stage is the log of one thread's part of a stage, made before the run; nil
// where none is wanted.
func (t *Trace) Stage(s Stage) *Marks {
	if t == nil || !t.staged {
		return nil
	}
	m := &Marks{silent: t.silent, list: touched[mark](cap(t.samples))}
	t.marks[s] = append(t.marks[s], m)
	return m
}

// Samples are those kept, in the order of storing, with what the stages noted of
// each. A moment that no stage noted is 0.
func (t *Trace) Samples() []Sample {
	for s, logs := range t.marks {
		t.join(Stage(s), logs)
	}
	return t.samples
}

// join looks up when each sample's event was at a stage: the last time that its
// handle was there before it was stored, for handles come round. Marks are in
// order of time, as samples are, so that only those of events in flight are held.
func (t *Trace) join(stage Stage, logs []*Marks) {
	next := make([]int, len(logs))
	clear(t.open)
	for i := range t.samples {
		s := &t.samples[i]
		for j, m := range logs {
			for ; next[j] < len(m.list) && m.list[next[j]].at <= s.Stored; next[j]++ {
				t.open[m.list[next[j]].handle] = m.list[next[j]].at
			}
		}
		*s.at(stage) = t.open[s.Handle]
		delete(t.open, s.Handle)
	}
}

// Reset forgets the samples and keeps the memory.
func (t *Trace) Reset() {
	t.samples, t.Missed = t.samples[:0], 0
	for _, logs := range t.marks {
		for _, m := range logs {
			m.list = m.list[:0]
		}
	}
}

// Marks is a log of which events were at a stage, and when. A stage that has nil
// notes nothing. One goroutine at a time notes, and writes the length each time: logs
// are of several threads, and two on one line had it go to and fro for every event.
type Marks struct {
	_      cpu.Pad
	list   []mark
	silent bool // in this run
	_      cpu.Pad
}

type mark struct {
	handle uint64
	at     cpu.Ticks
}

// Note notes that the events are at the stage now. What finds the log full is
// missing from its sample.
func Note[H ~uint64](m *Marks, handles []H) {
	if m != nil && len(handles) > 0 && !m.silent {
		m.note(unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(handles))), len(handles)))
	}
}

func (m *Marks) note(handles []uint64) {
	now := cpu.Now()
	for _, h := range handles[:min(len(handles), cap(m.list)-len(m.list))] {
		m.list = append(m.list, mark{h, now})
	}
}
