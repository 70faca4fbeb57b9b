package agent

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// patience bounds every wait here: for a machine that is busy with other tests.
const patience = 60 * time.Second

const target = "10.1.2.3:9000" // nobody connects to it here

// certificates makes a set with one member, load1.
func certificates(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "certs")
	if err := cluster.MakeCerts(dir, []cluster.Peer{{Name: "load1", Address: "127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func member(t *testing.T, dir, name string) *tls.Config {
	t.Helper()
	c, err := cluster.MutualTLS(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lab is an agent whose loads are the test's.
type lab struct {
	*Agent
	certs   string
	address string
	loads   chan drive.Spec // those that passed the gate, with Count their start
	stopped chan error      // why the context of a load was done
}

// newLab serves an agent. Its load passes the gate and then lasts until done is
// closed, or the load is cancelled.
func newLab(t *testing.T, done <-chan struct{}, change func(*Agent)) *lab {
	t.Helper()
	l := &lab{certs: certificates(t), loads: make(chan drive.Spec, 10), stopped: make(chan error, 10)}
	limits := DefaultLimits()
	limits.Targets = []string{target}
	l.Agent = &Agent{TLS: member(t, l.certs, "load1"), Limits: limits, Version: "one", Logger: slog.New(slog.DiscardHandler)}
	l.Load = func(ctx context.Context, s drive.Spec) (record.Run, error) {
		at, err := s.Gate()
		if err == nil {
			s.Count = uint64(at)
			l.loads <- s
			select {
			case <-done:
				return record.Run{Schema: record.Schema, Seed: s.Schedule.Seed}, nil
			case <-ctx.Done():
			}
		}
		l.stopped <- context.Cause(ctx)
		return record.Run{}, errors.Join(err, ctx.Err())
	}
	if change != nil {
		change(l.Agent)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.address = listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := heard(t, ended); err != nil {
			t.Error(err)
		}
	})
	return l
}

// heard is what a channel brings, in time.
func heard[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	return v
}

// dial commands the agent, once it has seen that the last commander is gone.
func (l *lab) dial(t *testing.T) *Session {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s, err := Dial(t.Context(), l.address, member(t, l.certs, Commander))
		if err == nil {
			t.Cleanup(func() { s.Close() })
			return s
		}
		if time.Now().After(deadline) || !strings.Contains(err.Error(), "another commands") {
			t.Fatal(err)
		}
	}
}

// order is a good one.
func order() Order {
	return Order{Target: target, Rate: 1000, DurationNs: 1e9, Shape: "poisson", Burst: 1, Seed: 7, Size: 64, Topic: "load", Priority: 2, Connections: 2, Producer: 5, Ask: "durable"}
}

// started is a session whose load runs.
func (l *lab) started(t *testing.T) *Session {
	t.Helper()
	s := l.dial(t)
	if err := s.Prepare(t.Context(), order()); err != nil {
		t.Fatal(err)
	}
	now, err := l.now()
	if err == nil {
		err = s.Start(now + int64(startAhead)/2)
	}
	if err != nil {
		t.Fatal(err)
	}
	heard(t, l.loads)
	return s
}

// TestOrder goes the whole way, twice in one session: the load is what was
// ordered, it starts when it was told to, and its record comes back.
func TestOrder(t *testing.T) {
	done := make(chan struct{})
	close(done)
	l := newLab(t, done, nil)
	s := l.dial(t)
	if s.Hello.Version != "one" || !slices.Equal(s.Hello.Limits.Targets, []string{target}) {
		t.Errorf("hello %+v", s.Hello)
	}
	for seed := range uint64(2) {
		o := order()
		o.Seed = seed
		if err := s.Prepare(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		now, _ := rawNow()
		at := now + int64(startAhead)/2
		if err := s.Start(at); err != nil {
			t.Fatal(err)
		}
		run, err := s.Result(t.Context(), patience)
		got := heard(t, l.loads)
		if err != nil || run.Seed != seed {
			t.Errorf("seed %d: %+v, %v", seed, run, err)
		}
		if int64(got.Count) != at || got.Address != target || got.Schedule.Rate != 1000 || got.Schedule.Shape != drive.Poisson || got.Size != 64 ||
			got.Connections != 2 || got.Producer != 5 || !got.Ask.Wanted || got.Duration != time.Second || got.CPU != drive.Unpinned {
			t.Errorf("ran %+v", got)
		}
	}
}

// TestOffset: an agent whose clock is an hour ahead is found to be, and no more
// than its bound off.
func TestOffset(t *testing.T) {
	l := newLab(t, nil, func(a *Agent) {
		a.now = func() (int64, error) { at, err := rawNow(); return at + int64(time.Hour), err }
	})
	o, err := l.dial(t).Offset()
	if err != nil || o.Low > int64(time.Hour) || o.High < int64(time.Hour) || o.High-o.Low > int64(patience) {
		t.Errorf("an hour ahead, and found %v (%d to %d), %v", o, o.Low, o.High, err)
	}
	t.Log(o)
}

// TestAClockThatIsSetIsFound: no offset fits what came before and after.
func TestAClockThatIsSetIsFound(t *testing.T) {
	reads := 0
	l := newLab(t, nil, func(a *Agent) {
		a.now = func() (int64, error) {
			at, err := rawNow()
			if reads++; reads > pings/2 {
				at += int64(time.Hour)
			}
			return at, err
		}
	})
	if o, err := l.dial(t).Offset(); !errors.Is(err, errClocks) {
		t.Errorf("%v, %v", o, err)
	}
}

func TestRefusedOrders(t *testing.T) {
	l := newLab(t, nil, nil)
	for want, spoil := range map[string]func(*Order){
		"not allowed":        func(o *Order) { o.Target = "10.1.2.4:9000" },
		`target ""`:          func(o *Order) { o.Target = "" },
		"events/s":           func(o *Order) { o.Rate = 2e6 },
		"open loop":          func(o *Order) { o.Rate = 0 },
		"rate -1":            func(o *Order) { o.Rate = -1 },
		"a load of 1h":       func(o *Order) { o.DurationNs = int64(time.Hour) },
		"a load of 0s":       func(o *Order) { o.DurationNs = 0 },
		"65 connections":     func(o *Order) { o.Connections = 65 },
		"0 connections":      func(o *Order) { o.Connections = 0 },
		"payloads of 100000": func(o *Order) { o.Size = 100_000 },
		"payload of -1":      func(o *Order) { o.Size = -1 },
		"a topic of 300":     func(o *Order) { o.Topic = strings.Repeat("x", 300) },
		"producer 0":         func(o *Order) { o.Producer = 0 },
		"producer 16777216":  func(o *Order) { o.Producer = 1 << 24 },
		"times are a file":   func(o *Order) { o.Shape = "replay" },
		`shape "round"`:      func(o *Order) { o.Shape = "round" },
		"burst of 0":         func(o *Order) { o.Shape, o.Burst = "burst", 0 },
		"sworn":              func(o *Order) { o.Ask = "sworn" },
		"priority":           func(o *Order) { o.Priority = 9 },
	} {
		o := order()
		spoil(&o)
		s := l.dial(t)
		err := s.Prepare(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), l.address) {
			t.Errorf("want .. %s, got %v", want, err)
		}
		s.Close()
	}
	select {
	case s := <-l.loads:
		t.Errorf("ran %+v", s)
	default:
	}
}

// TestForeigners: another set's certificate, none at all, and one of the set
// that is not a commander's.
func TestForeigners(t *testing.T) {
	l := newLab(t, nil, nil)
	foreign := member(t, certificates(t), Commander)
	if _, err := Dial(t.Context(), l.address, foreign); err == nil {
		t.Error("it trusts an agent of another set")
	}
	foreign.InsecureSkipVerify = true // it trusts the agent, which does not trust it
	if _, err := Dial(t.Context(), l.address, foreign); err == nil {
		t.Error("another set's commander is let in")
	}
	nobody := member(t, l.certs, Commander)
	nobody.Certificates = nil
	if _, err := Dial(t.Context(), l.address, nobody); err == nil {
		t.Error("who shows no certificate is let in")
	}
	if _, err := Dial(t.Context(), l.address, member(t, l.certs, "load1")); err == nil || !strings.Contains(err.Error(), `"load1"`) {
		t.Errorf("an agent commands another: %v", err)
	}
	l.dial(t)
}

// TestOneCommander: a second is told so, and let in when the first has gone.
func TestOneCommander(t *testing.T) {
	l := newLab(t, nil, nil)
	first := l.started(t)
	if _, err := Dial(t.Context(), l.address, member(t, l.certs, Commander)); err == nil || !strings.Contains(err.Error(), "another commands") {
		t.Errorf("a second commander: %v", err)
	}
	first.Close()
	heard(t, l.stopped)
	l.dial(t)
}

// TestWhoGoesStopsTheLoad: a connection that breaks, one of which only one half
// is closed, one that says what it should not.
func TestWhoGoesStopsTheLoad(t *testing.T) {
	for name, leave := range map[string]func(*Session){
		"closed":          func(s *Session) { s.Close() },
		"half closed":     func(s *Session) { s.line.conn.(*tls.Conn).CloseWrite() },
		"cut":             func(s *Session) { s.line.conn.(*tls.Conn).NetConn().Close() },
		"garbage":         func(s *Session) { s.line.conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
		"unknown field":   func(s *Session) { s.line.send(map[string]any{"ping": map[string]any{"n": 1, "run": "ls"}}) },
		"two in one":      func(s *Session) { s.line.send(request{Ping: &Ping{}, Start: &Start{}}) },
		"nothing":         func(s *Session) { s.line.send(request{}) },
		"another order":   func(s *Session) { o := order(); s.line.send(request{Order: &o}) },
		"another start":   func(s *Session) { s.Start(0) },
		"too long":        func(s *Session) { s.line.conn.Write(binary.BigEndian.AppendUint32(nil, requestMost+1)) },
		"half of a thing": func(s *Session) { s.line.conn.Write([]byte{0, 0, 0, 9, '{'}); s.line.conn.(*tls.Conn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil, nil)
			s := l.started(t)
			leave(s)
			if err := heard(t, l.stopped); err == nil {
				t.Error("the load was not cancelled")
			}
			if name != "closed" && name != "cut" {
				if _, err := s.Result(t.Context(), patience); err == nil {
					t.Error("there is a result")
				}
			}
		})
	}
}

// TestStart refuses times that are past or far off, and where nothing is ready.
func TestStart(t *testing.T) {
	l := newLab(t, nil, nil)
	now, err := rawNow()
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int64{"past": now - 1, "far": now + int64(time.Hour), "overflow": -1 << 63} {
		s := l.dial(t)
		if err := s.Prepare(t.Context(), order()); err != nil {
			t.Fatal(err)
		}
		s.Start(at)
		if _, err := s.Result(t.Context(), patience); err == nil || !strings.Contains(err.Error(), "a start") {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
		heard(t, l.stopped)
	}
	s := l.dial(t)
	s.Start(now)
	if _, err := s.Result(t.Context(), patience); err == nil || !strings.Contains(err.Error(), "no load to start") {
		t.Errorf("%v", err)
	}
}

// TestAFailedLoadIsTold, and so is one that never got ready.
func TestAFailedLoadIsTold(t *testing.T) {
	l := newLab(t, nil, func(a *Agent) {
		a.Load = func(context.Context, drive.Spec) (record.Run, error) {
			return record.Run{}, errors.New("nothing listens there\x1b[2J")
		}
	})
	err := l.dial(t).Prepare(t.Context(), order())
	if err == nil || !strings.Contains(err.Error(), "nothing listens there") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}

// TestSilentConnectionsAreBounded: those who say nothing take no more than their
// places, and the listener lives on.
func TestSilentConnectionsAreBounded(t *testing.T) {
	l := newLab(t, nil, nil)
	for range connectionsMax {
		c, err := net.Dial("tcp", l.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("one too many: %v", err)
	}
}
