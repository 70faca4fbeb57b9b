// Package process holds the stages behind the bus: a processor for each lane,
// and the storer that appends what they have done to the log.
//
// It takes the position that a promise is metered where it is kept: every event
// is timed against its lane's SLA when its processor lets go of it, and again
// when its record stands in the log buffer. Stamps are taken after the work of
// a batch, so that no event looks faster than it was.
package process

import (
	"sync/atomic"
	"time"
	"unsafe"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
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

// Processor is the stage of one sub-lane. It owns the events that it took until it
// has handed them to the store, given up on them, or sent their slots home.
type Processor struct {
	Meter Meter      // received to processed
	Chute *bus.Chute // what it gave up on

	// Followers see what it has processed; the processors may share one.
	Followers *Followers

	Taken *metrics.Marks // when events were taken from the lane; nil outside a measured run

	in, out  *bus.Lane
	slots    *bus.Slots
	arena    *memory.Arena // the slots': one step nearer
	task     task
	refs     [batch]event.Ref
	received [batch]cpu.Ticks
	next, n  int // refs[next:n] are processed and wait for room in out
}

// task is what a lane does with its events beyond passing them on.
type task interface {
	// due puts the events that were set aside and are ready to go on into the
	// front of a batch and says how many; work counts whatever was done.
	due(into []event.Ref, now cpu.Ticks) (n, work int)
	// next is when an event that was set aside wants to be tried again; 0: none.
	next() cpu.Ticks
	// treat deals with a batch and moves those that go on to the store to its
	// front: kept of them. It owns the others.
	treat(refs []event.Ref, now cpu.Ticks) (kept int)
}

// NewProcessor serves one sub-lane of a lane, from 0: it meters its events and
// passes them on to the store. What it drops goes down the chute.
func NewProcessor(b *bus.Bus, lane event.Lane, sublane int, slots *bus.Slots, chute *bus.Chute, clock cpu.Clock) *Processor {
	return &Processor{
		Meter: Meter{clock: clock, bound: SLA[lane].Nanoseconds()},
		Chute: chute,

		Followers: new(Followers),

		in:    &b.Routed[b.At(lane)+sublane],
		out:   &b.Processed[b.At(lane)+sublane],
		slots: slots,
		arena: slots.Arena,
	}
}

// Step processes at most one batch. While the store is behind, it takes nothing
// new, so that the pressure reaches the lane.
func (p *Processor) Step(now cpu.Ticks) int {
	if p.next < p.n {
		return p.hand()
	}
	p.next, p.n = 0, 0
	work := 0
	if p.task != nil {
		p.n, work = p.task.due(p.refs[:], now)
	}
	ready := p.n
	p.n += p.take(p.refs[ready:])
	metrics.Note(p.Taken, p.refs[ready:p.n])
	if p.n == 0 {
		return work
	}
	work += p.n
	if p.n <= few {
		p.prefetch()
	}
	if p.task != nil {
		p.n = ready + p.task.treat(p.refs[ready:p.n], now)
	}
	for i, r := range p.refs[:p.n] {
		p.received[i%batch] = p.arena.At(r).Received
	}
	done := cpu.Now() // waits for the loads above: an event is processed when it is here
	for i, r := range p.refs[:p.n] {
		p.arena.At(r).Leave(done)
		p.Meter.note(p.received[i%batch], now, done)
	}
	p.Meter.flush()
	p.show(p.refs[:p.n])
	p.hand()
	return work
}

// Due is when an event that was set aside is to be tried again.
func (p *Processor) Due(cpu.Ticks) cpu.Ticks {
	if p.task == nil {
		return 0
	}
	return p.task.next()
}

// take is the next events of the lane. Where the lane stands beyond its depth,
// the oldest that may be lost are dropped first.
func (p *Processor) take(into []event.Ref) (n int) {
	excess := p.in.Excess()
	if excess == 0 {
		return p.in.PopBatch(into)
	}
	n = p.in.PopBatch(into[:min(excess, len(into))])
	kept := into[:0]
	for _, r := range into[:n] {
		if bus.Lossy(p.slots.At(r).Origin) {
			p.Chute.DropOne(r, wire.ReasonQueueFull)
		} else {
			kept = append(kept, r)
		}
	}
	return len(kept)
}

// few is how many events of a batch are worth asking for ahead: with more, the
// loop over them overlaps their misses by itself.
const few = 4

// prefetch asks for what lies behind the headers: the storer will copy it, and
// when it was written on another CPU it takes a line transfer to come over.
func (p *Processor) prefetch() {
	for _, r := range p.refs[:p.n] {
		h := unsafe.Pointer(p.slots.At(r))
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
	Queued  metrics.Counter // of those, the ones that were when they were taken up: the wait was the cause, not the service

	peak     atomic.Int64 // ns, the worst since Peak was last called
	clock    cpu.Clock
	bound    int64 // ns
	received cpu.Ticks
	taken    cpu.Ticks
	done     cpu.Ticks
	run      uint64 // events noted with these stamps and not yet recorded
}

// note records an event that was received, taken up in a round that began at
// taken, and done.
func (m *Meter) note(received, taken, done cpu.Ticks) {
	if received != m.received || done != m.done {
		m.flush()
		m.received, m.taken, m.done = received, taken, done
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
	if ns > m.peak.Load() {
		m.peak.Store(ns)
	}
	if ns > m.bound {
		m.Missed.Add(m.run)
		if m.taken > m.received && m.clock.Ns(m.taken-m.received) > m.bound {
			m.Queued.Add(m.run)
		}
	}
	m.run = 0
}

// Peak is the longest time recorded since it was last called, give or take one
// that is recorded just now. One goroutine calls it.
func (m *Meter) Peak() time.Duration { return time.Duration(m.peak.Swap(0)) }
