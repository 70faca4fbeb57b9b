package process

import (
	"sync/atomic"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Watermark is the last sequence that is safe at a level which somebody else
// watches over, such as a cluster. It only rises.
type Watermark struct {
	Bell *duty.Bell // of the storer's thread; to be set before the first Advance

	reached atomic.Uint64
}

// Advance says that all up to the sequence is safe. One goroutine calls it.
func (w *Watermark) Advance(sequence uint64) {
	w.reached.Store(sequence)
	w.Bell.Ring()
}

// Reached is the last sequence that is safe. Any goroutine.
func (w *Watermark) Reached() uint64 { return w.reached.Load() }

// promises are answers that wait until the log has come as far as was asked, in
// the order of their sequences. They are the storer's.
type promises struct {
	reached    func() uint64 // nil: nobody can ask for the level
	ring       []promise     // a power of two
	head, tail uint64        // the oldest, and behind the newest
}

// promise is what one client is to be told.
type promise struct {
	sequence uint64
	question uint32
	pool     uint8
	outcome  wire.Outcome
}

// answers tell those who ask what was stored, each when it is as safe as asked.
type answers struct {
	askers *bus.Askers
	waits  [wire.Levels]promises // by level; what is stored need not wait
}

// ready makes room for so many questions at once at a level.
func (a *answers) ready(l wire.Level, questions int, reached func() uint64) {
	a.waits[l] = promises{reached: reached, ring: make([]promise, questions)}
}

// promise answers an event that was stored up to the sequence, now or when that
// is safe.
func (a *answers) promise(r event.Ref, h *event.Header, sequence uint64) {
	level := wire.LevelOf(h.Flags)
	p := promise{sequence: sequence, question: h.Answer, pool: r.Pool(), outcome: wire.Stored + wire.Outcome(level)}
	if h.Type == event.TypeDuplicate {
		p.outcome = wire.Duplicate
	}
	w := &a.waits[level]
	if level == wire.LevelStored || w.head == w.tail && w.reached() >= sequence {
		a.askers.Tell(p.pool, p.question, p.outcome, wire.ReasonNone)
		return
	}
	w.ring[w.tail&uint64(len(w.ring)-1)] = p
	w.tail++
}

// keep keeps the promises that can be kept by now, and says how many.
func (a *answers) keep(log Log) (work int) {
	for level := range a.waits {
		if w := &a.waits[level]; w.head != w.tail {
			work += a.keepUp(w, log)
		}
	}
	return work
}

// keepUp answers whatever has become safe and, once the log has failed, refuses
// the rest.
func (a *answers) keepUp(w *promises, log Log) (work int) {
	failed := log.Err() != nil // first: what is safe then is all that will be
	reached := w.reached()
	for ; w.head != w.tail; w.head++ {
		p := &w.ring[w.head&uint64(len(w.ring)-1)]
		switch {
		case p.sequence <= reached:
			a.askers.Tell(p.pool, p.question, p.outcome, wire.ReasonNone)
		case failed:
			a.askers.Tell(p.pool, p.question, wire.Rejected, wire.ReasonStorage)
		default:
			return work
		}
		work++
	}
	return work
}
