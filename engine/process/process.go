// Package process holds the stages behind the bus: a processor for each lane,
// and the storer that appends what they have done to the log.
//
// It takes the position that a promise is metered where it is kept: every event
// is timed against its lane's SLA when its processor lets go of it, and again
// when its record stands in the log buffer. Stamps are taken after the work of
// a batch, so that no event looks faster than it was.
package process

import (
	"time"
	"unsafe"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
)

// batch bounds the events of one Step, so that the stages that share a thread
// each get their turn within some microseconds.
const batch = 64

// SLA is the longest that an event of each lane may take from received to
// processed: the original's bounds.
var SLA = [event.Lanes]time.Duration{
	event.LaneRealtime:      100 * time.Microsecond,
	event.LaneTransactional: time.Millisecond,
	event.LaneBatch:         10 * time.Millisecond,
}

// Processor is the stage of one lane. It owns the events that it took until it
// has handed them to the store.
type Processor struct {
	Meter Meter // received to processed

	in, out  *bus.Lane
	arena    *memory.Arena
	refs     [batch]event.Ref
	received [batch]cpu.Ticks
	next, n  int // refs[next:n] are processed and wait for room in out
}

// NewProcessor serves one lane of the bus.
func NewProcessor(b *bus.Bus, lane event.Lane, arena *memory.Arena, clock cpu.Clock) *Processor {
	return &Processor{
		Meter: Meter{clock: clock, bound: SLA[lane].Nanoseconds()},
		in:    &b.Routed[lane],
		out:   &b.Processed[lane],
		arena: arena,
	}
}

// Step processes at most one batch. While the store is behind, it takes nothing
// new, so that the pressure reaches the lane.
func (p *Processor) Step(cpu.Ticks) int {
	if p.next < p.n {
		return p.hand()
	}
	p.n = p.in.PopBatch(p.refs[:])
	if p.n == 0 {
		return 0
	}
	p.next = 0
	if p.n <= few {
		p.prefetch()
	}
	for i, r := range p.refs[:p.n] {
		p.received[i%batch] = p.arena.At(r).Received
	}
	done := cpu.Now() // waits for the loads above: an event is processed when it is here
	for i, r := range p.refs[:p.n] {
		p.arena.At(r).Leave(done)
		p.Meter.note(p.received[i%batch], done)
	}
	p.Meter.flush()
	p.hand()
	return p.n
}

// few is how many events of a batch are worth asking for ahead: with more, the
// loop over them overlaps their misses by itself.
const few = 4

// prefetch asks for what lies behind the headers: the storer will copy it, and
// when it was written on another CPU it takes a line transfer to come over.
func (p *Processor) prefetch() {
	for _, r := range p.refs[:p.n] {
		h := unsafe.Pointer(p.arena.At(r))
		cpu.Prefetch(unsafe.Add(h, cpu.CacheLine))
		cpu.Prefetch(unsafe.Add(h, 2*cpu.CacheLine))
	}
}

func (p *Processor) hand() int {
	n := p.out.Hand(p.refs[p.next:p.n])
	p.next += n
	return n
}

// Meter times events against a bound. Events that came in together, as those of
// one read do, are recorded together.
type Meter struct {
	Latency metrics.Histogram // ns since received
	Events  metrics.Counter
	Missed  metrics.Counter // events later than the bound

	clock    cpu.Clock
	bound    int64 // ns
	received cpu.Ticks
	done     cpu.Ticks
	run      uint64 // events noted with these stamps and not yet recorded
}

func (m *Meter) note(received, done cpu.Ticks) {
	if received != m.received || done != m.done {
		m.flush()
		m.received, m.done = received, done
	}
	m.run++
}

func (m *Meter) flush() {
	if m.run == 0 {
		return
	}
	ns := m.clock.Ns(m.done - m.received)
	m.Latency.RecordN(ns, m.run)
	m.Events.Add(m.run)
	if ns > m.bound {
		m.Missed.Add(m.run)
	}
	m.run = 0
}
