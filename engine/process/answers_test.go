package process

import (
	"errors"
	"testing"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// asked is a bench whose storer answers, and the lane of its receipts.
func asked(tb testing.TB) (b *bench, s *Storer, receipts *bus.Lane) {
	tb.Helper()
	b = newBench(tb)
	askers := new(bus.Askers)
	b.letters.Askers = askers
	receipts = askers.Open(0, 256, new(duty.Bell))
	s = NewStorer(b.bus, b.slots, b.chute, b.log, nanoClock, nil)
	s.Answer(askers, 256, nil)
	return b, s, receipts
}

// ask hands the storer events that ask for a level.
func (b *bench) ask(tb testing.TB, t event.Type, l wire.Level, questions ...uint32) {
	tb.Helper()
	for _, q := range questions {
		r := b.event(tb, uint64(q), 1)
		h := b.slots.At(r)
		h.Answer, h.Flags, h.Type = q, wire.WithLevel(l), t
		b.bus.Processed[event.LaneTransactional].Hand([]event.Ref{r})
	}
}

// heard are the questions answered, and the last answer.
func heard(receipts *bus.Lane) (questions []uint32, last wire.Answer) {
	refs := make([]event.Ref, 256)
	for _, r := range refs[:receipts.PopBatch(refs)] {
		q, a := wire.ReadReceipt(r)
		questions, last = append(questions, q), a
	}
	return questions, last
}

// TestDurableIsAnsweredAfterTheSync, in order, and only as far as it went.
func TestDurableIsAnsweredAfterTheSync(t *testing.T) {
	b, s, receipts := asked(t)
	b.log.count = true
	b.ask(t, event.TypeEvent, wire.LevelDurable, 1, 2, 3)
	b.ask(t, event.TypeDuplicate, wire.LevelDurable, 4)
	b.ask(t, event.TypeEvent, wire.LevelStored, 5)
	s.Step(0)
	if got, a := heard(receipts); len(got) != 1 || got[0] != 5 || a.Outcome != wire.Stored {
		t.Fatalf("before any sync %v were answered, the last %+v; want 5 alone, stored", got, a)
	}
	for _, step := range []struct {
		durable uint64
		want    []uint32
		last    wire.Outcome
	}{{1, []uint32{1}, wire.Durable}, {1, nil, 0}, {3, []uint32{2, 3, 4}, wire.Duplicate}} {
		b.log.durable = step.durable
		s.Step(0)
		got, a := heard(receipts)
		if len(got) != len(step.want) || len(got) > 0 && (got[0] != step.want[0] || a.Outcome != step.last) {
			t.Errorf("durable up to %d: %v were answered, the last %+v; want %v", step.durable, got, a, step.want)
		}
	}
	if n := s.Stored[event.LaneTransactional].Events.Load(); n != 4 || s.Duplicates.Load() != 1 || len(b.log.ids) != 4 {
		t.Errorf("%d stored, %d duplicates, log %v", n, s.Duplicates.Load(), b.log.ids)
	}
}

// TestAFailedLogAnswersNothingMore: what was synced is durable, all else is
// refused, and what finds no place is a dead letter.
func TestAFailedLogAnswersNothingMore(t *testing.T) {
	b, s, receipts := asked(t)
	b.log.count = true
	b.ask(t, event.TypeEvent, wire.LevelDurable, 1, 2)
	s.Step(0)
	b.log.durable, b.log.err, b.log.room = 1, errors.New("broken"), 0
	b.ask(t, event.TypeEvent, wire.LevelStored, 3)
	s.Step(0)
	var outcomes []wire.Answer
	refs := make([]event.Ref, 256)
	for _, r := range refs[:receipts.PopBatch(refs)] {
		_, a := wire.ReadReceipt(r)
		outcomes = append(outcomes, a)
	}
	want := []wire.Answer{{Outcome: wire.DeadLettered, Reason: wire.ReasonStorage}, {Outcome: wire.Durable}, {Outcome: wire.Rejected, Reason: wire.ReasonStorage}}
	if len(outcomes) != len(want) {
		t.Fatalf("heard %+v, want %+v", outcomes, want)
	}
	for i := range want {
		if outcomes[i] != want[i] {
			t.Errorf("answer %d: heard %+v, want %+v", i, outcomes[i], want[i])
		}
	}
	if b.letters.Lane.Len() != 1 || s.waiting() != 0 {
		t.Errorf("%d dead letters, %d wait", b.letters.Lane.Len(), s.waiting())
	}
}

// TestAnswersAllocateNothing: neither do those that wait.
func TestAnswersAllocateNothing(t *testing.T) {
	b, s, receipts := asked(t)
	if testing.AllocsPerRun(100, func() { r, _ := b.pool.Acquire(100); b.pool.Release(r) }) > 0 {
		t.Skip("checked builds keep the pool's accounts on the heap")
	}
	b.log.ids, b.log.count = nil, true
	refs, out := make([]event.Ref, 1), make([]event.Ref, 64)
	n := testing.AllocsPerRun(1000, func() {
		refs[0] = b.event(t, 1, 1)
		h := b.slots.At(refs[0])
		h.Answer, h.Flags = 7, wire.WithLevel(wire.LevelDurable)
		b.bus.Processed[event.LaneBatch].Hand(refs)
		s.Step(0)
		b.log.durable = b.log.last
		if s.Step(0); receipts.PopBatch(out) != 1 {
			t.Fatal("not answered")
		}
		b.pool.Reclaim()
	})
	if n != 0 {
		t.Errorf("%v allocations an event, want 0", n)
	}
}

// waiting is how many events the log had no room for.
func (s *Storer) waiting() (n int) {
	for i := range s.trays {
		n += s.trays[i].n - s.trays[i].next
	}
	return n
}
