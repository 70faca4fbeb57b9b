package ingest

import (
	"net"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/wire"
)

// TestDropForgets drops a connection that stands in every queue, is being read,
// and has a question and an answer open.
func TestDropForgets(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.dial(t)
	w := s.worker
	s.until(t, "it is open", func() bool { return len(w.conns) == 1 })
	c := w.conns[0]
	w.queue(c)
	w.assemblies.waiting.push(c)
	w.answer(c, wire.Answer{})
	w.reading, w.arrival.Answer = c, w.questions.ask(c, 1)
	w.drop(c)
	if w.ready.n != 0 || w.assemblies.waiting.n != 0 || w.unsent.n != 0 || w.unwritten != 0 || w.conns[0] != nil || w.reading != nil || w.questions.open() != 0 {
		t.Errorf("it is still known: %d ready, %d waiting, %d unsent, %d unwritten, %d questions",
			w.ready.n, w.assemblies.waiting.n, w.unsent.n, w.unwritten, w.questions.open())
	}
}

// TestSpread gives each of two workers its share.
func TestSpread(t *testing.T) {
	a, b := newRig(t, 64, testClasses), newRig(t, 64, testClasses)
	tcp, err := Listen(Default("127.0.0.1:0", testClock()), a.intake, b.intake)
	must(t, err)
	defer tcp.Close()
	for range 10 {
		c, err := net.Dial("tcp", tcp.Address.String())
		must(t, err)
		defer c.Close()
	}
	deadline := time.Now().Add(20 * time.Second)
	for tcp.Workers[0].load.Load() != 5 || tcp.Workers[1].load.Load() != 5 {
		if time.Now().After(deadline) {
			t.Fatalf("%d and %d connections", tcp.Workers[0].load.Load(), tcp.Workers[1].load.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSleep: a sleeping worker wakes for bytes and for Wake, also for one that
// came before it slept, or that a Step has seen.
func TestSleep(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	c := s.dial(t)
	c.Write(frame("first", nil).Append(nil))
	s.until(t, "the connection is open", func() bool { return len(s.events) == 1 })
	for name, act := range map[string]func(){
		"woken before":                func() { s.worker.Wake() },
		"woken before, and a step":    func() { s.worker.Wake(); s.worker.Step(cpu.Now()) },
		"woken meanwhile":             func() { time.AfterFunc(20*time.Millisecond, s.worker.Wake) },
		"bytes meanwhile":             func() { time.AfterFunc(20*time.Millisecond, func() { c.Write(frame("t", nil).Append(nil)) }) },
		"bytes before":                func() { c.Write(frame("t", nil).Append(nil)) },
		"bytes before, read too late": func() { s.worker.poll(); c.Write(frame("t", nil).Append(nil)); s.worker.poll() },
	} {
		t.Run(name, func(t *testing.T) {
			s.settle(t)
			for range 3 { // until no wake-up is due
				s.worker.Sleep(time.Millisecond)
			}
			act()
			awake := make(chan struct{})
			go func() { s.worker.Sleep(time.Hour); close(awake) }()
			select {
			case <-awake:
			case <-time.After(20 * time.Second):
				t.Fatal("still asleep after 20 s")
			}
		})
	}
}

// TestAssembliesAreBounded opens more large frames than there are buffers: those
// that must wait get their turn.
func TestAssembliesAreBounded(t *testing.T) {
	s := serve(t, newRig(t, 64, testClasses), nil)
	s.worker.inFlight = wire.MaxFrame // room for one of three
	whole := frame("large", make([]byte, 300<<10)).Append(nil)
	for range 3 {
		c := s.dial(t)
		go c.Write(append(whole, whole...))
	}
	s.until(t, "all are in", func() bool { return len(s.events) == 6 })
	if s.worker.inFlight != wire.MaxFrame {
		t.Errorf("%d bytes free at the end, want %d", s.worker.inFlight, wire.MaxFrame)
	}
}
