package drive

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// sink is a frame port that keeps what it gets.
type sink struct {
	listener net.Listener
	stall    time.Duration // before it reads
	closeAt  int           // bytes after which it hangs up; 0 is never
	reset    bool          // it resets the connection, unread, after the stall
	rejects  wire.Reason   // it refuses the hello for this
	answers  func(*wire.Frame) *wire.Answer
	mu       sync.Mutex
	streams  [][]byte
	hello    wire.Greeting
	readers  sync.WaitGroup
}

func newSink(t *testing.T, change func(*sink)) *sink {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{listener: listener}
	if change != nil {
		change(s)
	}
	t.Cleanup(func() { listener.Close(); s.readers.Wait() })
	s.readers.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.readers.Go(func() { s.read(c) })
		}
	})
	return s
}

func (s *sink) read(c net.Conn) {
	defer c.Close()
	stream, ok := s.greet(c)
	if !ok {
		return
	}
	time.Sleep(s.stall)
	if s.reset {
		c.(*net.TCPConn).SetLinger(0)
		return
	}
	var from io.Reader = c
	if s.closeAt > 0 {
		from = io.LimitReader(c, int64(s.closeAt))
	}
	if s.answers != nil {
		from = io.TeeReader(from, &answerer{to: c, answer: s.answers, unread: bytes.Clone(stream)})
	}
	rest, _ := io.ReadAll(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = append(s.streams, append(stream, rest...))
}

// greet answers a hello, or returns the frame that came instead.
func (s *sink) greet(c net.Conn) (first []byte, ok bool) {
	head := make([]byte, wire.PrefixSize)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, true
	}
	frame := append(head, make([]byte, binary.BigEndian.Uint32(head))...)
	io.ReadFull(c, frame[wire.PrefixSize:])
	if _, status := wire.Decode(frame, new(wire.Frame)); status != wire.Hello {
		return frame, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hello, _ = wire.DecodeGreeting(frame)
	if s.rejects != wire.ReasonNone {
		c.Write((&wire.Answer{Outcome: wire.Rejected, Reason: s.rejects}).Append(nil))
		return nil, false
	}
	c.Write(wire.AppendWelcome(nil, 0))
	return nil, true
}

// answerer answers the frames that are written to it.
type answerer struct {
	to     io.Writer
	answer func(*wire.Frame) *wire.Answer
	unread []byte
}

func (a *answerer) Write(b []byte) (int, error) {
	a.unread = append(a.unread, b...)
	var out []byte
	for {
		var f wire.Frame
		n, status := wire.Decode(a.unread, &f)
		if status != wire.OK {
			break
		}
		if answer := a.answer(&f); answer != nil {
			out = answer.Append(out)
		}
		a.unread = a.unread[n:]
	}
	a.to.Write(out)
	return len(b), nil
}

// frames decodes what came in, connection by connection.
func (s *sink) frames(t *testing.T) (list []wire.Frame) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range s.streams {
		for len(stream) > 0 {
			var f wire.Frame
			n, status := wire.Decode(stream, &f)
			if status != wire.OK {
				t.Fatalf("frame %d: %v", len(list), status)
			}
			list = append(list, f)
			stream = stream[n:]
		}
	}
	return list
}

func (s *sink) spec() Spec {
	spec := Default(s.listener.Addr().String())
	spec.Schedule.Rate, spec.Count = 100_000, 5000
	return spec
}

func load(t *testing.T, spec Spec) Report {
	t.Helper()
	r, err := Load(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLoadSendsWhatExpectSays compares event by event, intended times included.
func TestLoadSendsWhatExpectSays(t *testing.T) {
	tests := map[string]func(*Spec){
		"open":         func(*Spec) {},
		"poisson":      func(s *Spec) { s.Schedule.Shape, s.Schedule.Seed = Poisson, 9 },
		"burst":        func(s *Spec) { s.Schedule.Shape, s.Schedule.Burst = Burst, 700 },
		"closed":       func(s *Spec) { s.Schedule.Rate = 0 },
		"v1":           func(s *Spec) { s.Version, s.Priority = wire.V1, event.Critical },
		"tiny payload": func(s *Spec) { s.Size = 2 },
		"no payload":   func(s *Spec) { s.Size = 0 },
		"large frames": func(s *Spec) { s.Size, s.Count = 300_000, 40 },
		"connections":  func(s *Spec) { s.Connections, s.Size = 5, 600 },
		"given id":     func(s *Spec) { s.Producer = 77 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t, nil)
			spec := sink.spec()
			change(&spec)
			report := load(t, spec)
			spec.Producer = report.Producer
			frames := sink.frames(t)
			if report.Sent != spec.Count || uint64(len(frames)) != spec.Count || report.Unconfirmed != 0 {
				t.Fatalf("sent %d, received %d, want %d; %d connections unconfirmed", report.Sent, len(frames), spec.Count, report.Unconfirmed)
			}
			seen := make(map[uint64]bool)
			schedule := NewPacer(spec.Schedule)
			due := make([]int64, spec.Count)
			for i := range due {
				due[i] = schedule.Take()
			}
			start := uint64(0)
			for order, got := range frames {
				i := uint64(order)
				if spec.Size >= sequenceSize {
					index, err := spec.Index(got.Payload)
					if err != nil || seen[index] {
						t.Fatalf("event %d: seen before %v, %v", index, seen[index], err)
					}
					seen[index], i = true, index
				}
				want := spec.Expect(i)
				if spec.Version == wire.V2 && spec.open() {
					if want.Intended = got.Intended; start == 0 {
						start = got.Intended - uint64(due[i])
					}
					if got.Intended != start+uint64(due[i]) {
						t.Fatalf("event %d intended %d ns after the start, its schedule says %d", i, got.Intended-start, due[i])
					}
				}
				if !bytes.Equal(got.Append(nil), want.Append(nil)) {
					t.Fatalf("event %d: got %+v, want %+v", i, got, want)
				}
			}
			if spec.open() != (report.Debt != nil) {
				t.Errorf("debt %+v", report.Debt)
			}
		})
	}
}

// TestStallIsDebt: a receiver that does not read makes the sender late, and the
// lateness is reported rather than taken off the schedule.
func TestStallIsDebt(t *testing.T) {
	const stall = 300 * time.Millisecond
	sink := newSink(t, func(s *sink) { s.stall = stall })
	spec := sink.spec()
	spec.Size, spec.Count, spec.Schedule.Rate = 100_000, 400, 10_000 // 40 MB in 40 ms: more than the kernel holds
	report := load(t, spec)
	if report.Debt.Max < (stall/3).Nanoseconds() || report.KeptUp || report.LagNs < (stall/3).Nanoseconds() {
		t.Errorf("a stall of %v shows as debt %+v, lag %d ns, kept up %v", stall, report.Debt, report.LagNs, report.KeptUp)
	}
	first, last := uint64(1<<63), uint64(0)
	for _, f := range sink.frames(t) {
		first, last = min(first, f.Intended), max(last, f.Intended)
	}
	if span := last - first; span != 399*100_000 {
		t.Errorf("intended times span %d ns, the schedule %d", span, 399*100_000)
	}
}

func TestLoadIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sink := newSink(t, func(s *sink) { s.answers = func(*wire.Frame) *wire.Answer { cancel(); return nil } })
	spec := sink.spec()
	spec.Count, spec.Schedule.Rate = 1<<40, 1000
	report, err := Load(ctx, spec)
	if err != nil || !report.Partial || report.Sent == 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := len(sink.frames(t)); uint64(got) != report.Sent {
		t.Errorf("sent %d, received %d", report.Sent, got)
	}
	if report, err := Load(ctx, spec); err != nil || !report.Partial || report.Sent != 0 {
		t.Errorf("cancelled beforehand: %+v, %v", report, err)
	}
}

// TestUnconfirmed: a server that does not read to the end in time is reported.
func TestUnconfirmed(t *testing.T) {
	sink := newSink(t, func(s *sink) { s.stall = 500 * time.Millisecond })
	spec := sink.spec()
	spec.Count = 10
	s, err := newSender(context.Background(), spec.withProducer())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.patience = 20 * time.Millisecond
	if err := s.run(); err != nil || s.report.Unconfirmed != 1 {
		t.Errorf("%+v, %v", s.report, err)
	}
}

// TestCancelledWhileBlocked cancels a write that waits for a receiver that never reads.
func TestCancelledWhileBlocked(t *testing.T) {
	sink := newSink(t, func(s *sink) { s.stall = 600 * time.Millisecond })
	spec := sink.spec()
	spec.Schedule.Rate, spec.Count, spec.Size = 0, 1<<40, 100_000
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if report, err := Load(ctx, spec); err != nil || !report.Partial {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestClosedLoopRunsForItsDuration(t *testing.T) {
	sink := newSink(t, nil)
	spec := sink.spec()
	spec.Schedule.Rate, spec.Count, spec.Duration = 0, 0, 50*time.Millisecond
	report := load(t, spec)
	if report.DurationNs < spec.Duration.Nanoseconds() || report.Sent == 0 || report.Asked != 0 {
		t.Errorf("%+v", report)
	}
	if got := len(sink.frames(t)); uint64(got) != report.Sent {
		t.Errorf("sent %d, received %d", report.Sent, got)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Run("no one listens", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		_, err = Load(context.Background(), Default(listener.Addr().String()))
		if err == nil || !strings.Contains(err.Error(), "esc serve --addr "+listener.Addr().String()) {
			t.Error(err)
		}
	})
	t.Run("the server hangs up", func(t *testing.T) {
		sink := newSink(t, func(s *sink) { s.closeAt = 10_000 })
		spec := sink.spec()
		report, err := Load(context.Background(), spec)
		if err == nil || !strings.Contains(err.Error(), "its log says why") || report.Sent == 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("the server resets after the last event", func(t *testing.T) {
		sink := newSink(t, func(s *sink) { s.stall, s.reset = 100*time.Millisecond, true })
		spec := sink.spec()
		spec.Count = 10
		if report, err := Load(context.Background(), spec); err == nil || !strings.Contains(err.Error(), "before it had read all 10") {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("bad specs", func(t *testing.T) {
		for name, change := range map[string]func(*Spec){
			"size":        func(s *Spec) { s.Size = wire.MaxBody },
			"negative":    func(s *Spec) { s.Size = -1 },
			"priority":    func(s *Spec) { s.Priority = 5 },
			"topic":       func(s *Spec) { s.Topic = "" },
			"version":     func(s *Spec) { s.Version = 3 },
			"count":       func(s *Spec) { s.Count, s.Duration = 0, 0 },
			"connections": func(s *Spec) { s.Connections = 0 },
			"producer":    func(s *Spec) { s.Producer = 1 << 24 },
			"rate":        func(s *Spec) { s.Schedule.Rate = -1 },
		} {
			spec := Default("127.0.0.1:1")
			change(&spec)
			if err := spec.Validate(); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	})
}

func TestIndex(t *testing.T) {
	spec := Default("")
	spec.Producer = 5
	f := spec.Expect(123_456)
	if want := uint64(5<<40 | 123_457); f.ID != want {
		t.Errorf("id %d, want %d", f.ID, want)
	}
	if i, err := spec.Index(f.Payload); i != 123_456 || err != nil {
		t.Errorf("%d, %v", i, err)
	}
	f.Payload[40]++
	if _, err := spec.Index(f.Payload); err == nil || !strings.Contains(err.Error(), "byte 40") {
		t.Errorf("a changed byte: %v", err)
	}
	if _, err := spec.Index(f.Payload[:63]); err == nil {
		t.Error("a short payload: accepted")
	}
	if n := spec.PayloadFor(f.Size()); n != spec.Size {
		t.Errorf("PayloadFor(%d) = %d, want %d", f.Size(), n, spec.Size)
	}
}

func TestKeptUp(t *testing.T) {
	for _, test := range []struct {
		lag, span int64
		want      bool
	}{{0, 0, true}, {10e6, 1, true}, {11e6, 1e9, false}, {90e6, 10e9, true}, {110e6, 10e9, false}} {
		if got := keptUp(test.lag, test.span); got != test.want {
			t.Errorf("keptUp(%d, %d) = %v", test.lag, test.span, got)
		}
	}
}

func TestSendingAllocatesNothing(t *testing.T) {
	spec := Default("")
	s := &sender{spec: spec, frame: spec.template(), buffer: make([]byte, 0, writeBytes), due: make([]int64, 0, 1000), ends: make([]int, 0, 1000)}
	s.frame.Payload = pattern(spec.Size)
	i := uint64(0)
	if n := testing.AllocsPerRun(500, func() { s.add(i, int64(i)); i++ }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}
