package ingest

import (
	"bytes"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

var testClock = sync.OnceValue(func() cpu.Clock {
	clock, err := cpu.Calibrate()
	if err != nil {
		panic(err)
	}
	return clock
})

// rig is an intake with the rest of the engine cut down to whoever pops its lane.
type rig struct {
	arena  *memory.Arena
	pool   *memory.Pool
	lane   *bus.Lane
	intake *Intake
}

var testClasses = memory.Classes{{Size: 256, Count: 512}, {Size: 2 << 10, Count: 64}, {Size: 64 << 10, Count: 16}, {Size: 1<<20 + 4<<10, Count: 4}}

func newRig(t testing.TB, laneDepth int, classes memory.Classes) *rig {
	t.Helper()
	arena, err := memory.NewArena(classes.Bytes())
	must(t, err)
	t.Cleanup(func() { arena.Close() })
	home := queue.NewMPSC(make([]event.Ref, 1<<18))
	pool, err := memory.NewPool(arena, 1, -1, classes, home)
	must(t, err)
	lane := &bus.Lane{Queue: queue.NewSPSC(make([]event.Ref, laneDepth), laneDepth), Bell: new(duty.Bell)}
	wall, err := cpu.NewTimeline(testClock(), cpu.Realtime)
	must(t, err)
	intake, err := NewIntake(pool, lane, wall, NewNumbers(0))
	must(t, err)
	return &rig{arena: arena, pool: pool, lane: lane, intake: intake}
}

// taken is an event as it came out of the lane.
type taken struct {
	header  event.Header
	topic   string
	payload []byte
}

// drain pops all that is in the lane, checks that each is whole, and frees it.
func (r *rig) drain(t testing.TB) (events []taken) {
	t.Helper()
	refs := make([]event.Ref, 64)
	for n := r.lane.PopBatch(refs); n > 0; n = r.lane.PopBatch(refs) {
		for _, ref := range refs[:n] {
			h := r.arena.At(ref)
			content := h.Content
			if h.Seal(); h.Content != content || ref.Priority() != h.Priority {
				t.Fatalf("%v: content %08x, sealed anew %08x, priority %v", ref, content, h.Content, h.Priority)
			}
			events = append(events, taken{*h, string(h.Topic()), bytes.Clone(h.Payload())})
			r.pool.Release(ref)
		}
	}
	return events
}

// server is a TCP side with one worker that the test steps.
type server struct {
	*rig
	tcp    *TCP
	worker *Worker
	log    *lines
	events []taken
	refs   [64]event.Ref // swallowed, at the most, at once
}

// lines is a log that tests can read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(s))
}

// swallow steps the worker until n events came, and lets them go. It allocates nothing.
func (s *server) swallow(n int) {
	for got := 0; got < n; {
		s.worker.Step(cpu.Now())
		k := s.lane.PopBatch(s.refs[:])
		for _, ref := range s.refs[:k] {
			s.pool.Release(ref)
		}
		got += k
	}
}

func serve(t testing.TB, r *rig, change func(*Config)) *server {
	t.Helper()
	s := &server{rig: r, log: new(lines)}
	c := Default("127.0.0.1:0", testClock())
	c.Log = slog.New(slog.NewTextHandler(s.log, nil))
	if change != nil {
		change(&c)
	}
	tcp, err := Listen(c, r.intake)
	must(t, err)
	t.Cleanup(func() { must(t, tcp.Close()) })
	s.tcp, s.worker = tcp, tcp.Workers[0]
	return s
}

// until steps the worker and drains the lane until holds does.
func (s *server) until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if s.worker.Step(cpu.Now()) == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		s.events = append(s.events, s.drain(t)...)
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// settle gives what must not happen some rounds to happen in.
func (s *server) settle(t testing.TB) {
	t.Helper()
	for range 20 {
		s.worker.Step(cpu.Now())
		s.events = append(s.events, s.drain(t)...)
		time.Sleep(time.Millisecond)
	}
}

func (s *server) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.tcp.Address.String())
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// closed reports whether the server has closed c.
func closed(c *net.TCPConn) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	netErr, ok := err.(net.Error)
	return err != nil && !(ok && netErr.Timeout())
}

func frame(topic string, payload []byte) *wire.Frame {
	return &wire.Frame{Version: wire.V1, Priority: event.Medium, Topic: []byte(topic), Payload: payload}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func topics(events []taken) (names []string) {
	for _, e := range events {
		names = append(names, e.topic)
	}
	return names
}

func equalTopics(events []taken, want ...string) bool { return slices.Equal(topics(events), want) }
