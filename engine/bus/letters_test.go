package bus

import (
	"testing"

	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

// newLetters has a pool of 512 small slots, and room for 64 dead letters.
func newLetters(t *testing.T) (*DeadLetters, *memory.Pool) {
	t.Helper()
	classes := memory.Classes{{Size: 256, Count: 512}, {Size: 512, Count: 1}, {Size: 1024, Count: 1}, {Size: 2048, Count: 1}}
	arena, err := memory.NewArena(classes.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { arena.Close() })
	pool, err := memory.NewPool(arena, 0, -1, classes, queue.NewMPSC(make([]event.Ref, 1024)))
	if err != nil {
		t.Fatal(err)
	}
	lane := &Lane{Queue: queue.NewMPSC(make([]event.Ref, 64)), Bell: new(duty.Bell)}
	return &DeadLetters{Lane: lane, Slots: &Slots{Arena: arena, Pools: []*memory.Pool{pool}}}, pool
}

// TestAFullChuteOnlyCounts: what finds no room goes home, and is counted.
func TestAFullChuteOnlyCounts(t *testing.T) {
	letters, pool := newLetters(t)
	chute := NewChute(letters)
	refs := make([]event.Ref, 100)
	for i := range refs {
		refs[i], _ = pool.Acquire(100)
	}
	chute.Drop(refs, wire.ReasonQueueFull)
	if d, u, home := chute.Dropped[wire.ReasonQueueFull].Load(), chute.Uncaptured.Load(), pool.Reclaim(); d != 100 || u != 36 || home != 36 {
		t.Errorf("%d dropped, %d uncaptured, %d slots home; want 100, 36 and 36", d, u, home)
	}
	out := make([]event.Ref, 100)
	n := letters.Lane.PopBatch(out)
	for i, r := range out[:n] {
		if r != refs[i] || letters.Slots.At(r).Reason != uint16(wire.ReasonQueueFull) {
			t.Fatalf("letter %d is %v with reason %d", i, r, letters.Slots.At(r).Reason)
		}
	}
	if n != 64 {
		t.Errorf("%d letters, want 64", n)
	}
}

// TestHandingOverGoesBeyondTheDepth, to twice of it, and the consumer is told.
func TestHandingOverGoesBeyondTheDepth(t *testing.T) {
	b := New(Depths{64, 64, 64}, DropOld)
	l := &b.Routed[0]
	l.Bell = new(duty.Bell)
	refs := make([]event.Ref, 200)
	if n := l.Hand(refs); n != 64 || l.Excess() != 0 {
		t.Errorf("a lane of 64 took %d and has %d too many", n, l.Excess())
	}
	if n := l.HandOver(refs); n != 64 || l.Excess() != 64 || l.Len() != 128 {
		t.Errorf("took %d beyond its depth, %d too many, %d in all; want 64, 64 and 128", n, l.Excess(), l.Len())
	}
	if n := b.Routed[1].Excess(); n != 0 {
		t.Errorf("a lane that blocks has %d too many", n)
	}
}

func TestPolicies(t *testing.T) {
	for p := range policies {
		if got, err := ParsePolicy(p.String()); got != p || err != nil {
			t.Errorf("%v parses as %v, %v", p, got, err)
		}
	}
	if _, err := ParsePolicy("DROP"); err == nil {
		t.Error("DROP was parsed")
	}
	if err := (Policies{7}).Validate(); err == nil {
		t.Error("policy 7 is valid")
	}
	if err := DefaultPolicies().Validate(); err != nil {
		t.Error(err)
	}
}

func TestOrdersAreGivenWhole(t *testing.T) {
	var o Orders
	for _, order := range []Order{{}, {Least: event.Medium}, {Least: event.Critical, PauseTransactions: true}, {PauseTransactions: true}} {
		if o.Give(order); o.Given() != order {
			t.Errorf("%+v given, %+v read", order, o.Given())
		}
	}
}
