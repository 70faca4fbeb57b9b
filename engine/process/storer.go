package process

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Log is what the storer needs of the log; store.Log is the real one.
type Log interface {
	// Append copies the sealed event into the group being gathered and numbers
	// it, or reports false while there is no room.
	Append(h *event.Header) (sequence uint64, ok bool)
	// Offer hands the group to the committer if that is free.
	Offer() bool
	// Durable is the last sequence that is on the disk.
	Durable() uint64
	// Err is the failure that ended the log for good, or nil.
	Err() error
}

// storedBound is the target for received to stored, REALTIME: P99 under 5 us.
const storedBound = 5_000

// Storer is the last stage: it folds batch events into their windows, appends
// events to the log, most urgent lane first, answers those that ask, and sends
// their slots home. What a log that has failed does not take goes down the chute.
type Storer struct {
	Stored     [event.Lanes]Meter // received to appended
	Duplicates metrics.Counter    // events that came this far only to be answered
	Windows    *Aggregator        // of the BATCH lane; nil aggregates nothing

	answers answers
	chute   *bus.Chute
	last    uint64 // sequence of the last event appended

	lanes [event.Lanes][]bus.Lane // their sub-lanes
	turn  [event.Lanes]int        // the sub-lane to begin with
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
	since   cpu.Ticks // when they were taken; 0 unless that is traced
}

// NewStorer empties the bus into the log. Every sample goes to trace unless it
// is nil.
func NewStorer(b *bus.Bus, slots *bus.Slots, chute *bus.Chute, log Log, clock cpu.Clock, trace *metrics.Trace) *Storer {
	s := &Storer{slots: slots, arena: slots.Arena, chute: chute, log: log, last: log.Durable(), trace: trace}
	for lane := range event.Lane(event.Lanes) {
		at := b.At(lane)
		s.lanes[lane] = b.Processed[at:][:b.Processed[at].Parts]
		s.Stored[lane] = Meter{clock: clock, bound: storedBound}
	}
	return s
}

// Answer makes the storer answer events that ask, of which there are so many at
// once at the most, a power of two. Replicated may be nil: then nobody may ask
// for that level.
func (s *Storer) Answer(askers *bus.Askers, questions int, replicated *Watermark) {
	s.answers.askers = askers
	s.answers.ready(wire.LevelDurable, questions, s.log.Durable)
	if replicated != nil {
		s.answers.ready(wire.LevelReplicated, questions, replicated.Reached)
	}
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
	return work + s.answers.keep(s.log)
}

// Due is when the window ends that is open.
func (s *Storer) Due(cpu.Ticks) cpu.Ticks {
	if s.Windows == nil || len(s.Windows.open) == 0 {
		return 0
	}
	return s.Windows.dueAt
}

// take fills the lane's tray and says how many events are done with already, for
// they are only in their window's result.
func (s *Storer) take(lane event.Lane, now cpu.Ticks) (folded int) {
	t := &s.trays[lane]
	n := s.gather(lane, t.refs[:])
	t.next, t.n = 0, n
	if n > 0 && s.trace.Staged() {
		t.since = cpu.Now()
	}
	if lane == event.LaneBatch && s.Windows != nil && n > 0 {
		t.n = s.Windows.fold(t.refs[:n], now)
	}
	return n - t.n
}

// gather takes from the lane's sub-lanes in turn. What is behind the first that
// fills the batch comes first the next time.
func (s *Storer) gather(lane event.Lane, into []event.Ref) (n int) {
	sublanes := s.lanes[lane]
	for range sublanes {
		if n == len(into) {
			break
		}
		n += sublanes[s.turn[lane]&(len(sublanes)-1)].PopBatch(into[n:])
		s.turn[lane]++
	}
	return n
}

// append stores what the log has room for, then stamps it: the stamp stands
// behind the last copy, so it is never too early for any of them.
func (s *Storer) append(t *tray, meter *Meter) int {
	from := t.next
	for ; t.next < t.n; t.next++ {
		r := t.refs[t.next]
		h := s.arena.At(r)
		if h.Answer != 0 {
			if !s.appendAsked(r, h) {
				break
			}
		} else if sequence, ok := s.log.Append(h); ok {
			s.last = sequence
		} else {
			break
		}
	}
	stored := t.refs[from:t.next]
	done := cpu.Now()
	for _, r := range stored {
		h := s.arena.At(r)
		if h.Type == event.TypeDuplicate {
			s.Duplicates.Add(1)
			continue
		}
		meter.note(h.Received, done, done)
		if s.trace != nil {
			s.trace.Add(metrics.Sample{ID: h.ID, Handle: uint64(r), Intended: h.Intended, Received: h.Received, Processed: h.LeftAt(), Gathered: t.since, Stored: done})
		}
	}
	meter.flush()
	s.slots.Return(stored)
	if t.next < t.n && s.log.Err() != nil {
		s.chute.Drop(t.refs[t.next:t.n], wire.ReasonStorage)
		t.next = t.n
	}
	return t.next - from
}

// appendAsked appends an event whose sender wants to know, and promises to tell.
// A duplicate is only answered: the first of its id went before it.
func (s *Storer) appendAsked(r event.Ref, h *event.Header) bool {
	if h.Type != event.TypeDuplicate {
		sequence, ok := s.log.Append(h)
		if !ok {
			return false
		}
		s.last = sequence
	}
	s.answers.promise(r, h, s.last)
	return true
}
