package process

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
)

// Log is what the storer needs of the log; store.Log is the real one.
type Log interface {
	// Append copies the sealed event into the group being gathered and numbers
	// it, or reports false while there is no room.
	Append(h *event.Header) (sequence uint64, ok bool)
	// Offer hands the group to the committer if that is free.
	Offer() bool
}

// storedBound is the target for received to stored, REALTIME: P99 under 5 us.
const storedBound = 5_000

// Storer is the last stage: it folds batch events into their windows, appends
// events to the log, most urgent lane first, and sends their slots home.
type Storer struct {
	Stored  [event.Lanes]Meter // received to appended
	Windows *Aggregator        // of the BATCH lane; nil aggregates nothing

	lanes *[event.Lanes]bus.Lane
	trays [event.Lanes]tray
	slots *bus.Slots
	arena *memory.Arena // the slots': one step nearer
	log   Log
	trace *metrics.Trace // nil outside a measured run
}

// tray holds the events of a lane that the log had no room for: refs[next:n].
type tray struct {
	refs    [batch]event.Ref
	next, n int
}

// NewStorer empties the bus into the log. Every sample goes to trace unless it
// is nil.
func NewStorer(b *bus.Bus, slots *bus.Slots, log Log, clock cpu.Clock, trace *metrics.Trace) *Storer {
	s := &Storer{lanes: &b.Processed, slots: slots, arena: slots.Arena, log: log, trace: trace}
	for i := range s.Stored {
		s.Stored[i] = Meter{clock: clock, bound: storedBound}
	}
	return s
}

// Step stores at most one batch of each lane.
func (s *Storer) Step(now cpu.Ticks) (work int) {
	for lane := range s.trays {
		t := &s.trays[lane]
		if t.next == t.n {
			work += s.take(event.Lane(lane), now)
		}
		if t.next < t.n {
			work += s.append(t, &s.Stored[lane])
		}
	}
	if s.Windows != nil {
		work += s.Windows.due(now)
	}
	s.log.Offer()
	return work
}

// take fills the lane's tray and says how many events are done with already, for
// they are only in their window's result.
func (s *Storer) take(lane event.Lane, now cpu.Ticks) (folded int) {
	t := &s.trays[lane]
	n := s.lanes[lane].PopBatch(t.refs[:])
	t.next, t.n = 0, n
	if lane == event.LaneBatch && s.Windows != nil && n > 0 {
		t.n = s.Windows.fold(t.refs[:n], now)
	}
	return n - t.n
}

// append stores what the log has room for, then stamps it: the stamp stands
// behind the last copy, so it is never too early for any of them.
func (s *Storer) append(t *tray, meter *Meter) int {
	from := t.next
	for t.next < t.n {
		if _, ok := s.log.Append(s.arena.At(t.refs[t.next])); !ok {
			break
		}
		t.next++
	}
	stored := t.refs[from:t.next]
	done := cpu.Now()
	for _, r := range stored {
		h := s.arena.At(r)
		meter.note(h.Received, done, done)
		if s.trace != nil {
			s.trace.Add(metrics.Sample{ID: h.ID, Intended: h.Intended, Received: h.Received, Processed: h.LeftAt(), Stored: done})
		}
	}
	meter.flush()
	s.slots.Return(stored)
	return len(stored)
}

// Waiting is how many events the log had no room for; the storer's thread's to call.
func (s *Storer) Waiting() (n int) {
	for i := range s.trays {
		n += s.trays[i].n - s.trays[i].next
	}
	return n
}
