package process

import (
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

// How a transaction that failed is tried again.
const (
	retries      = 3
	firstBackoff = 10 * time.Millisecond // doubled each time
	asideMax     = 1024                  // events that wait to be tried again; one that finds no room is given up on
)

// Transactions are what the TRANSACTIONAL lane does: every id succeeds once.
//
// An id is claimed before its handlers run, committed when they have succeeded
// and given back when they have failed for good, so of two equal ids in flight
// the second waits for what becomes of the first. What failed waits aside, and
// the lane goes on; so it may be stored behind what came after it.
type Transactions struct {
	Duplicates metrics.Counter // ids that had succeeded: their events are not stored again
	Retried    metrics.Counter // attempts beyond the first
	Crowded    metrics.Counter // events that went on unremembered, for their place was full of claims

	seen    *Part
	calls   *calls
	slots   *bus.Slots
	chute   *bus.Chute
	backoff cpu.Ticks

	out   *bus.Lane   // to the store, for
	twins []event.Ref // duplicates that ask: they go there behind the first of their id, to be answered

	ids    [batch]uint64
	claims [batch]queue.Outcome
	aside  []waiting
	homes  []event.Ref // slots to send home after the batch
}

// waiting is an event that was set aside.
type waiting struct {
	ref      event.Ref
	due      cpu.Ticks
	failures uint8 // 0: it waits for its twin, which was claimed before it
	claimed  bool
}

// Transact makes the processor remember ids in seen and run the handlers.
func (p *Processor) Transact(seen *Part, handlers []Handler) *Transactions {
	t := &Transactions{
		seen:    seen,
		calls:   newCalls(handlers),
		slots:   p.slots,
		chute:   p.Chute,
		out:     p.out,
		twins:   make([]event.Ref, 0, batch),
		backoff: p.Meter.clock.Ticks(firstBackoff.Nanoseconds()),
		aside:   make([]waiting, 0, asideMax),
		homes:   make([]event.Ref, 0, batch),
	}
	p.task = t
	return t
}

func (t *Transactions) treat(refs []event.Ref, now cpu.Ticks) (kept int) {
	t.claim(refs)
	for i, r := range refs {
		w := waiting{ref: r}
		if outcome := t.claims[i%batch]; numbered(t.slots.At(r).ID) {
			if outcome == queue.InFlight { // its twin may have been settled since: it may stand before it in this batch
				outcome = t.seen.Claim(t.slots.At(r).ID)
			}
			if !t.admit(&w, outcome, now) {
				continue
			}
		}
		if t.run(w, now) {
			refs[kept] = r
			kept++
		}
	}
	t.sendHome()
	return kept
}

// claim claims the ids of a batch, as far as they are their senders'.
func (t *Transactions) claim(refs []event.Ref) {
	n := 0
	for _, r := range refs {
		if id := t.slots.At(r).ID; numbered(id) {
			t.ids[n%batch] = id
			n++
		}
	}
	t.seen.ClaimBatch(t.ids[:n], t.claims[:n])
	for i := len(refs) - 1; n > 0 && n < len(refs) && i >= 0; i-- { // to where their events stand
		if numbered(t.slots.At(refs[i]).ID) {
			n--
			t.claims[i%batch] = t.claims[n%batch]
		}
	}
}

// admit decides by its id whether an event is to be run now.
func (t *Transactions) admit(w *waiting, outcome queue.Outcome, now cpu.Ticks) bool {
	switch outcome {
	case queue.Duplicate:
		t.release(w.ref)
		return false
	case queue.InFlight:
		w.due = now + t.backoff
		t.setAside(*w)
		return false
	case queue.Crowded:
		t.Crowded.Add(1)
	}
	w.claimed = outcome == queue.Fresh
	return true
}

// release lets go of a duplicate: home, or, if its sender asks, to the store.
func (t *Transactions) release(r event.Ref) {
	if h := t.slots.At(r); h.Answer != 0 {
		h.Type = event.TypeDuplicate
		t.twins = append(t.twins, r) // no more of them than clients may ask at once
		return
	}
	t.Duplicates.Add(1)
	t.homes = append(t.homes, r)
}

// run calls the handlers and reports whether the event may go on to the store.
func (t *Transactions) run(w waiting, now cpu.Ticks) bool {
	h := t.slots.At(w.ref)
	if t.calls.run(h) {
		if w.claimed {
			t.seen.Commit(h.ID)
		}
		return true
	}
	if w.failures++; w.failures > retries {
		t.giveUp(w)
		return false
	}
	w.due = now + t.backoff<<(w.failures-1)
	t.setAside(w)
	return false
}

func (t *Transactions) setAside(w waiting) {
	if len(t.aside) == asideMax {
		t.giveUp(w)
		return
	}
	t.aside = append(t.aside, w)
}

func (t *Transactions) giveUp(w waiting) {
	if w.claimed {
		t.seen.Abort(t.slots.At(w.ref).ID)
	}
	t.chute.DropOne(w.ref, wire.ReasonProcessing)
}

// due tries again what waits aside, and keeps the time.
func (t *Transactions) due(into []event.Ref, now cpu.Ticks) (n, work int) {
	t.seen.keep(now)
	if len(t.twins) > 0 { // all that was claimed before them is on its way by now
		work = t.out.Hand(t.twins)
		t.twins = t.twins[:copy(t.twins, t.twins[work:])]
	}
	if len(t.aside) == 0 {
		return 0, work
	}
	all := t.aside
	t.aside = t.aside[:0] // each that is looked at puts one back at most
	for _, w := range all {
		if w.due > now || n == len(into) || len(t.homes) == cap(t.homes) {
			t.aside = append(t.aside, w)
			continue
		}
		work++
		if t.again(w, now) {
			into[n] = w.ref
			n++
		}
	}
	t.sendHome()
	return n, work
}

func (t *Transactions) next() (first cpu.Ticks) {
	for _, w := range t.aside {
		if first == 0 || w.due < first {
			first = w.due
		}
	}
	return first
}

// again is one more attempt at an event that waited aside.
func (t *Transactions) again(w waiting, now cpu.Ticks) bool {
	if w.failures == 0 {
		return t.admit(&w, t.seen.Claim(t.slots.At(w.ref).ID), now) && t.run(w, now)
	}
	t.Retried.Add(1)
	return t.run(w, now)
}

func (t *Transactions) sendHome() {
	t.slots.Return(t.homes)
	t.homes = t.homes[:0]
}
