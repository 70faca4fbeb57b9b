package ingest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// pause gives the order.
func (s *server) pause(on bool) {
	if s.tcp.Orders == nil {
		s.tcp.Orders = new(bus.Orders)
	}
	s.tcp.Orders.Give(bus.Order{PauseTransactions: on})
}

func prioritised(topic string, p event.Priority, size int) *wire.Frame {
	f := frame(topic, make([]byte, size))
	f.Priority = p
	return f
}

// TestPause: a client with a MEDIUM event waits, in order; others go on; one that
// asks is told.
func TestPause(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.stage(t)
	s.pause(true)
	medium, high, asks := s.dial(t), s.dial(t), s.dial(t)
	medium.Write(prioritised("c", event.Critical, 0).Append(prioritised("b", event.Medium, 0).Append(prioritised("a", event.High, 0).Append(nil))))
	s.until(t, "it waits", func() bool { return s.worker.parked.n == 1 })
	high.Write(prioritised("high", event.High, 0).Append(nil))
	s.until(t, "another goes on", func() bool { return equalTopics(s.events, "a", "high") })
	asks.Write(prioritised("low", event.Low, 0).Append(asking(5, event.Medium).Append(nil)))
	want := wire.Answer{ID: 5, Outcome: wire.Rejected, Reason: wire.ReasonPaused}
	if a := s.heard(t, asks, 1)[0]; a != want {
		t.Errorf("heard %+v, want %+v", a, want)
	}
	s.until(t, "and goes on", func() bool { return equalTopics(s.events, "a", "high", "low") })
	medium.Write(prioritised("d", event.Medium, 0).Append(nil))
	s.settle(t)
	s.pause(false)
	s.until(t, "the first goes on", func() bool { return len(s.events) == 6 })
	if !equalTopics(s.events, "a", "high", "low", "b", "c", "d") {
		t.Errorf("topics %q", topics(s.events))
	}
	if s.worker.inFlight != s.tcp.config.Limits.InFlight {
		t.Errorf("%d bytes of %d free at the end", s.worker.inFlight, s.tcp.config.Limits.InFlight)
	}
}

// TestPauseIsOfTheEffectivePriority: a topic may make a transaction of any event.
func TestPauseIsOfTheEffectivePriority(t *testing.T) {
	r := newRig(t, 64, testClasses)
	r.intake.Topics = holding(table(t, "pay:MEDIUM\nalarm:HIGH"))
	s := serve(t, r, nil)
	s.pause(true)
	raised, over := s.dial(t), s.dial(t)
	raised.Write(prioritised("pay", event.Low, 0).Append(nil))
	s.until(t, "it waits", func() bool { return s.worker.parked.n == 1 })
	over.Write(prioritised("alarm", event.Medium, 0).Append(nil))
	s.until(t, "another goes on", func() bool { return equalTopics(s.events, "alarm") })
	s.pause(false)
	s.until(t, "the first too", func() bool { return equalTopics(s.events, "alarm", "pay") })
}

// TestPausesLoseNothing pauses at random under clients that send events of all priorities and sizes.
func TestPausesLoseNothing(t *testing.T) {
	const clients, each = 4, 400
	s := serve(t, newRig(t, 256, testClasses), func(c *Config) { c.Limits.InFlight = leastInFlight })
	s.pause(true) // to begin with: clients may be done before chance would have it
	for i := range clients {
		rng := rand.New(rand.NewPCG(3, uint64(i)))
		var stream []byte
		for j := range each {
			size := rng.IntN(200)
			if rng.IntN(40) == 0 {
				size = rng.IntN(600 << 10)
			}
			stream = prioritised(fmt.Sprintf("%d/%d", i, j), event.Priority(rng.IntN(event.Priorities)), size).Append(stream)
		}
		go pieces(s.dial(t), stream, rng)
	}
	s.until(t, "something waits", func() bool { return s.worker.Counts.Parked.Load() > 0 })
	rng := rand.New(rand.NewPCG(4, 4))
	s.until(t, "all are in", func() bool {
		if rng.IntN(20) == 0 {
			s.pause(rng.IntN(2) == 0)
		}
		return len(s.events) == clients*each
	})
	var next [clients]int
	for _, e := range s.events {
		var client, index int
		fmt.Sscanf(e.topic, "%d/%d", &client, &index)
		if index != next[client] {
			t.Fatalf("client %d: event %d came when %d was due", client, index, next[client])
		}
		next[client]++
	}
	s.pause(false)
	s.settle(t)
	if s.worker.Counts.Parked.Load() == 0 || s.worker.inFlight != s.tcp.config.Limits.InFlight {
		t.Errorf("%d parked; %d bytes of %d free at the end", s.worker.Counts.Parked.Load(), s.worker.inFlight, s.tcp.config.Limits.InFlight)
	}
}

// TestTooMuchToPark holds the worker instead.
func TestTooMuchToPark(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.worker.inFlight = 10
	s.pause(true)
	c := s.dial(t)
	c.Write(prioritised("medium", event.Medium, 100).Append(nil))
	s.until(t, "the worker waits", func() bool { return s.worker.Counts.Held.Load() == 1 })
	s.settle(t)
	if s.worker.parked.n != 0 || len(s.events) != 0 {
		t.Errorf("%d parked, %d events", s.worker.parked.n, len(s.events))
	}
	s.pause(false)
	s.until(t, "it is in", func() bool { return len(s.events) == 1 })
}

// TestDepartedWhileParked gives back what it held, also when it was an assembly.
func TestDepartedWhileParked(t *testing.T) {
	for _, size := range []int{10, 100 << 10} {
		s := serve(t, newRig(t, 64, testClasses), nil)
		s.pause(true)
		c := s.dial(t)
		go c.Write(prioritised("medium", event.Medium, size).Append(nil))
		s.until(t, "it is parked", func() bool { return s.worker.parked.n == 1 })
		s.worker.drop(s.worker.conns[0])
		if s.worker.inFlight != s.tcp.config.Limits.InFlight || s.worker.parked.n != 0 {
			t.Errorf("%d bytes of payload: %d bytes of %d free, %d parked", size, s.worker.inFlight, s.tcp.config.Limits.InFlight, s.worker.parked.n)
		}
	}
}

// TestRefusedFramesAllocateNothing: whoever sends what is refused costs no memory.
func TestRefusedFramesAllocateNothing(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), func(c *Config) { c.Cap = event.Low })
	s.stage(t)
	c := s.dial(t)
	go io.Copy(io.Discard, c)
	chunk := asking(1, event.High).Append(asking(2, event.Low).Append(nil))
	refs, receipt := make([]event.Ref, 64), make([]event.Ref, 1)
	step := func() {
		before := s.worker.Counts.Rejected[wire.ReasonPriority].Load()
		c.Write(chunk)
		for s.worker.Counts.Rejected[wire.ReasonPriority].Load() == before || s.lane.Len() == 0 {
			s.worker.Step(cpu.Now())
		}
		for _, ref := range refs[:s.lane.PopBatch(refs)] {
			receipt[0] = wire.NewReceipt(s.arena.At(ref).Answer, wire.Stored, 0, 0)
			s.worker.answers[0].Hand(receipt)
			s.pool.Release(ref)
		}
	}
	step()
	if n := testing.AllocsPerRun(100, step); n >= 1 {
		t.Errorf("%v allocations for two frames and their answers", n)
	}
}
