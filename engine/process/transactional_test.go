package process

import (
	"errors"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// transacting is a processor of transactions whose handler fails as told.
type transacting struct {
	*bench
	*Transactions
	p    *Processor
	fail map[uint64]int // how often each id is still to fail
	now  cpu.Ticks
	done []uint64
}

var errTold = errors.New("told to fail")

func newTransacting(t *testing.T) *transacting {
	t.Helper()
	x := &transacting{bench: newBench(t), fail: map[uint64]int{}, now: 1}
	seen := NewSeen(Memory{Bytes: 128 << 10, Window: time.Hour, Producers: 64}, 1, nanoClock, nil)
	x.p = NewProcessor(x.bus, event.LaneTransactional, 0, x.bench.slots, x.bench.chute, nanoClock)
	x.Transactions = x.p.Transact(seen.Part(0), []Handler{{Pattern: "#", Handle: func(e *Event) error {
		if x.fail[e.ID] > 0 {
			x.fail[e.ID]--
			return errTold
		}
		return nil
	}}})
	return x
}

func sender(n int) uint64 { return 3<<40 | uint64(n) }

// take hands over one event for each number, and steps once.
func (x *transacting) take(t *testing.T, numbers ...int) {
	for _, n := range numbers {
		x.bus.Routed[event.LaneTransactional].Hand([]event.Ref{x.event(t, sender(n), 1)})
	}
	x.step(0)
}

// step lets time pass, steps, and notes what went on to the store.
func (x *transacting) step(pass time.Duration) {
	x.now += cpu.Ticks(pass)
	x.p.Step(x.now)
	var refs [batch]event.Ref
	for _, r := range refs[:x.bus.Processed[event.LaneTransactional].PopBatch(refs[:])] {
		x.done = append(x.done, x.bench.slots.At(r).ID-sender(0))
	}
}

func (x *transacting) check(t *testing.T, what string, duplicates, letters int, done ...uint64) {
	t.Helper()
	same := len(done) == len(x.done)
	for i := 0; same && i < len(done); i++ {
		same = done[i] == x.done[i]
	}
	if d, l := int(x.Duplicates.Load()), x.letters.Lane.Len(); !same || d != duplicates || l != letters {
		t.Errorf("%s: done %v, %d duplicates, %d given up on; want %v, %d and %d", what, x.done, d, l, done, duplicates, letters)
	}
}

func TestATransactionThatFailsDoesNotHoldUpTheLane(t *testing.T) {
	x := newTransacting(t)
	x.fail[sender(1)] = 2
	x.take(t, 1, 2, 3)
	x.check(t, "at first", 0, 0, 2, 3)
	x.step(9 * time.Millisecond)
	x.check(t, "before the first retry is due", 0, 0, 2, 3)
	x.step(time.Millisecond) // fails again, and waits twice as long
	x.step(19 * time.Millisecond)
	x.check(t, "before the second is due", 0, 0, 2, 3)
	x.step(time.Millisecond)
	x.check(t, "at last", 0, 0, 2, 3, 1)
	if x.Retried.Load() != 2 {
		t.Errorf("retried %d times, want 2", x.Retried.Load())
	}
}

// TestATwinWaitsForWhatBecomesOfTheFirst: it is a duplicate if that succeeds, and
// is run if it does not.
func TestATwinWaitsForWhatBecomesOfTheFirst(t *testing.T) {
	x := newTransacting(t)
	x.take(t, 1, 1)
	x.check(t, "in one batch", 1, 0, 1)
	x.fail[sender(2)] = 1
	x.take(t, 2, 2)
	x.check(t, "while the first waits", 1, 0, 1)
	x.step(10 * time.Millisecond)
	x.step(10 * time.Millisecond)
	x.check(t, "when it has succeeded", 2, 0, 1, 2)
	x.fail[sender(3)] = 4
	x.take(t, 3, 3)
	for range 20 {
		x.step(10 * time.Millisecond)
	}
	x.check(t, "when it has failed for good", 2, 1, 1, 2, 3)
}

// TestTheAsideIsBounded: what finds no room there is given up on.
func TestTheAsideIsBounded(t *testing.T) {
	x := newTransacting(t)
	x.aside = x.aside[:asideMax]
	for i := range x.aside {
		x.aside[i].due = 1 << 60
	}
	x.fail[sender(1)] = 9
	x.take(t, 1, 2)
	x.check(t, "with a full aside", 0, 1, 2)
}

// TestTheServersOwnIDsAreNotRemembered: two events of one such id are two.
func TestTheServersOwnIDsAreNotRemembered(t *testing.T) {
	x := newTransacting(t)
	for range 2 {
		x.bus.Routed[event.LaneTransactional].Hand([]event.Ref{x.event(t, 7, 1)})
	}
	x.bus.Routed[event.LaneTransactional].Hand([]event.Ref{x.event(t, sender(1), 1), x.event(t, sender(1), 1)})
	x.step(0)
	if len(x.done) != 3 || x.Duplicates.Load() != 1 {
		t.Errorf("%d done, %d duplicates; want both of the server's and one of the sender's", len(x.done), x.Duplicates.Load())
	}
}

func TestTransactionsAllocateNothing(t *testing.T) {
	x := newTransacting(t)
	if testing.AllocsPerRun(100, func() { r, _ := x.pool.Acquire(100); x.pool.Release(r) }) > 0 {
		t.Skip("checked builds keep the pool's accounts on the heap")
	}
	n := 0
	in, out := make([]event.Ref, 1), make([]event.Ref, batch)
	if allocs := testing.AllocsPerRun(200, func() {
		n++
		r, h := x.pool.Acquire(100)
		h.ID = sender(n)
		h.Fill([]byte("t"), nil)
		in[0] = r
		x.bus.Routed[event.LaneTransactional].Hand(in)
		x.p.Step(x.now)
		x.bench.slots.Return(out[:x.bus.Processed[event.LaneTransactional].PopBatch(out)])
		x.pool.Reclaim()
	}); allocs != 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}

// TestSeenForgetsAfterItsWindow, by generations, and says when memory is short.
func TestSeenForgetsAfterItsWindow(t *testing.T) {
	short := time.Duration(0)
	s := NewSeen(Memory{Bytes: 128 << 10, Window: 16 * time.Second, Producers: 64}, 1, nanoClock, func(held time.Duration) { short = held })
	s.keep(1)
	s.Insert(sender(1))
	for at := time.Second; at <= 20*time.Second; at += 100 * time.Millisecond {
		s.keep(cpu.Ticks(at))
		if known := s.Contains(sender(1)); known != (at < 17*time.Second) && (at < 16*time.Second || at > 18*time.Second) {
			t.Fatalf("after %v: known is %v", at, known)
		}
	}
	if s.Held() != 16*time.Second || short != 0 {
		t.Errorf("holds %v, said short at %v", s.Held(), short)
	}
	for n := range 40_000 { // more than twice what the table has room for
		s.Part(0).Insert(sender(n))
	}
	if s.keep(cpu.Ticks(20500 * time.Millisecond)); s.Held() != 16*time.Second || short != 0 {
		t.Errorf("a producer that counts up costs memory: holds %v, said short at %v", s.Held(), short)
	}
	for n := range 40_000 {
		s.Part(0).Insert(sender(n * 5000)) // too far apart for its track
	}
	s.keep(cpu.Ticks(21 * time.Second))
	if s.Held() >= 16*time.Second || short != s.Held() {
		t.Errorf("holds %v, said %v; want less than the window, said once", s.Held(), short)
	}
}
