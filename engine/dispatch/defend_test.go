package dispatch

import (
	"testing"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

// fort is a dispatcher with defences: lanes of 64, one source that can be held
// and one that cannot, and dead letters.
type fort struct {
	*Dispatcher
	bus         *bus.Bus
	pool        *memory.Pool
	slots       *bus.Slots
	held, lossy *queue.SPSC
	datagrams   *queue.SPSC
	orders      bus.Orders
	chute       *bus.Chute
	letters     *bus.DeadLetters
	next        uint64
}

func newFort(t *testing.T, policies ...bus.Policy) *fort {
	t.Helper()
	classes := memory.Classes{{Size: 256, Count: 4096}, {Size: 512, Count: 1}, {Size: 1024, Count: 1}, {Size: 2048, Count: 1}}
	arena, err := memory.NewArena(classes.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { arena.Close() })
	f := &fort{bus: bus.New(bus.Depths{64, 64, 64}, policies...), held: newSource(), lossy: newSource(), datagrams: newSource()}
	if f.pool, err = memory.NewPool(arena, 0, -1, classes, queue.NewMPSC(make([]event.Ref, 8192))); err != nil {
		t.Fatal(err)
	}
	for i := range f.bus.Routed {
		f.bus.Routed[i].Bell = new(duty.Bell)
	}
	f.slots = &bus.Slots{Arena: arena, Pools: []*memory.Pool{f.pool}}
	f.letters = &bus.DeadLetters{Lane: &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, 4096)), Bell: new(duty.Bell)}, Slots: f.slots}
	f.chute = bus.NewChute(f.letters)
	f.Dispatcher = New(f.bus, f.held)
	f.Add(f.lossy, event.FromInternal)
	f.Add(f.datagrams, event.FromUDP)
	f.Defend(Defences{Orders: &f.orders, Chute: f.chute, Slots: f.slots, Marks: [event.Lanes]int{25, 25, 25}})
	return f
}

// send puts n events of a priority into a source.
func (f *fort) send(t *testing.T, to *queue.SPSC, origin event.Origin, p event.Priority, n int) {
	t.Helper()
	for range n {
		r, h := f.pool.Acquire(100)
		if h == nil {
			t.Fatal("no slot")
		}
		f.next++
		h.ID, h.Origin, h.Reason = f.next, origin, 0
		h.Fill([]byte("t"), nil)
		to.Push(r.WithPriority(p))
	}
}

func (f *fort) dropped(r wire.Reason) uint64 { return f.chute.Dropped[r].Load() }

// TestASenderThatCanBeHeldIs before its lane is full, whatever the policy.
func TestASenderThatCanBeHeldIs(t *testing.T) {
	for _, policy := range []bus.Policy{bus.BlockProducer, bus.DropOld, bus.DropNew} {
		f := newFort(t, policy, policy, policy)
		for range 50 {
			f.send(t, f.held, event.FromTCP, event.High, 10)
			f.Step(0)
		}
		if n := f.bus.Routed[0].Len(); n != 25 || f.held.Len() != 500-n {
			t.Errorf("%v: %d in the lane and %d in the source, want the mark of 25, and the rest of 500", policy, n, f.held.Len())
		}
		if f.letters.Lane.Len() != 0 {
			t.Errorf("%v: %d of a sender that can be held were dropped", policy, f.letters.Lane.Len())
		}
	}
}

// TestPoliciesOfAFullLane: 200 published events find a lane of 64.
func TestPoliciesOfAFullLane(t *testing.T) {
	for policy, want := range map[bus.Policy]struct{ lane, dropped, source int }{
		bus.BlockProducer: {25, 0, 175}, // held at the mark
		bus.DropNew:       {64, 136, 0},
		bus.DropOld:       {128, 0, 0}, // its consumer drops 64 of them
	} {
		f := newFort(t, policy)
		f.send(t, f.lossy, event.FromInternal, event.High, 200)
		for range 10 {
			f.Step(0)
		}
		lane, dropped := f.bus.Routed[0].Len(), int(f.dropped(wire.ReasonQueueFull))
		if lane != want.lane || dropped != want.dropped || f.lossy.Len() != want.source || f.waiting() != 200-lane-dropped-want.source {
			t.Errorf("%v: %d in the lane, %d dropped, %d in the source, %d waiting; want %+v", policy, lane, dropped, f.lossy.Len(), f.waiting(), want)
		}
	}
}

// TestOrdersAreObeyed: what is below the least priority is given up on, by
// whatever way it came, for the reason that the state is.
func TestOrdersAreObeyed(t *testing.T) {
	for _, c := range []struct {
		order  bus.Order
		reason wire.Reason
		gone   uint64
	}{
		{bus.Order{}, wire.ReasonBackpressure, 0},
		{bus.Order{Least: event.Medium}, wire.ReasonBackpressure, 2},
		{bus.Order{Least: event.Critical}, wire.ReasonEmergency, 4},
	} {
		f := newFort(t)
		for p := range event.Priority(event.Priorities) {
			f.send(t, f.held, event.FromTCP, p, 1)
		}
		f.orders.Give(c.order)
		f.Step(0)
		if got := f.dropped(c.reason); got != c.gone {
			t.Errorf("%+v: %d given up on, want %d", c.order, got, c.gone)
		}
		if n := f.bus.Routed[0].Len() + f.bus.Routed[1].Len() + f.bus.Routed[2].Len(); n != event.Priorities-int(c.gone) {
			t.Errorf("%+v: %d events routed", c.order, n)
		}
	}
}

// TestAPauseHoldsWhoSendsTransactions, drops nothing, lets the others through,
// and ends in order.
func TestAPauseHoldsWhoSendsTransactions(t *testing.T) {
	f := newFort(t)
	f.orders.Give(bus.Order{PauseTransactions: true})
	f.send(t, f.held, event.FromTCP, event.Medium, 3)
	f.Step(0)
	f.send(t, f.held, event.FromTCP, event.Medium, 2)
	f.send(t, f.lossy, event.FromInternal, event.High, 4)
	for range 3 {
		f.Step(0)
	}
	if f.waiting() != 3 || f.held.Len() != 2 || f.bus.Routed[0].Len() != 4 || f.bus.Routed[1].Len() != 0 {
		t.Fatalf("%d on hold, %d in their source, %d and %d routed; want 3, 2, 4 and 0", f.waiting(), f.held.Len(), f.bus.Routed[0].Len(), f.bus.Routed[1].Len())
	}
	if f.Step(0) != 0 {
		t.Error("a step that moved nothing reports work")
	}
	f.orders.Give(bus.Order{})
	f.Step(0)
	f.Step(0)
	out := make([]event.Ref, 10)
	n := f.bus.Routed[1].PopBatch(out)
	for i, r := range out[:n] {
		if id := f.slots.At(r).ID; i > 0 && id <= f.slots.At(out[i-1]).ID {
			t.Errorf("transaction %d after %d", id, f.slots.At(out[i-1]).ID)
		}
	}
	if n != 5 || f.letters.Lane.Len() != 0 {
		t.Errorf("%d transactions after the pause, %d dropped; want 5 and none", n, f.letters.Lane.Len())
	}
}

// TestAnEmergencyFreesWhoIsOnHold: its transactions are given up on, so that
// its CRITICAL events can come.
func TestAnEmergencyFreesWhoIsOnHold(t *testing.T) {
	f := newFort(t)
	f.orders.Give(bus.Order{PauseTransactions: true})
	f.send(t, f.held, event.FromTCP, event.Medium, 3)
	f.Step(0)
	f.send(t, f.held, event.FromTCP, event.Critical, 1)
	f.orders.Give(bus.Order{PauseTransactions: true, Least: event.Critical})
	f.Step(0)
	if f.bus.Routed[0].Len() != 1 || f.dropped(wire.ReasonEmergency) != 3 {
		t.Errorf("%d CRITICAL routed and %d dropped, want 1 and 3", f.bus.Routed[0].Len(), f.dropped(wire.ReasonEmergency))
	}
}

// TestDatagramsNeverHoldWhatIsBehindThem: where another sender is held, in a
// pause or at the mark of a lane that holds its producers, they are given up on,
// and what is urgent behind them goes on.
func TestDatagramsNeverHoldWhatIsBehindThem(t *testing.T) {
	for name, c := range map[string]struct {
		order  bus.Order
		reason wire.Reason
		lane   int // transactions in it
	}{
		"in a pause":  {bus.Order{PauseTransactions: true}, wire.ReasonPaused, 0},
		"at the mark": {bus.Order{}, wire.ReasonQueueFull, 25},
	} {
		for _, policy := range []bus.Policy{bus.BlockProducer, bus.DropNew} {
			f := newFort(t, bus.DropOld, policy)
			f.orders.Give(c.order)
			want := c.lane
			if policy == bus.DropNew && want > 0 {
				want = 64 // its depth
			}
			f.send(t, f.datagrams, event.FromUDP, event.Medium, 3*batch)
			f.send(t, f.datagrams, event.FromUDP, event.High, 1)
			for range 10 {
				f.Step(0)
			}
			urgent, lane, dropped := f.bus.Routed[0].Len(), f.bus.Routed[1].Len(), int(f.dropped(c.reason))
			if urgent != 1 || lane != want || dropped != 3*batch-want || f.waiting() != 0 || f.letters.Lane.Len() != dropped {
				t.Errorf("%s, %v: %d urgent and %d transactions routed, %d given up on, %d waiting, %d letters; want 1, %d, the rest of %d, none, and a letter for each",
					name, policy, urgent, lane, dropped, f.waiting(), f.letters.Lane.Len(), want, 3*batch)
			}
		}
	}
}
