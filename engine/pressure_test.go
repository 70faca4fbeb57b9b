package engine_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
)

// TestProofPressureComesAndGoes floods a running engine until it is in an
// EMERGENCY, and lets it recover: one state at a time, with every transition
// logged, and every event accounted for.
func TestProofPressureComesAndGoes(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("set ESC_PROOFS=1: it takes some seconds")
	}
	lines := make(lineWriter, 1000)
	cfg := smallConfig(t)
	cfg.Lanes, cfg.Pool[0].Count = bus.Depths{512, 512, 512}, 4096
	cfg.Logger = slog.New(slog.NewTextHandler(lines, nil))
	cfg.Handlers = []process.Handler{{Pattern: "slow", Handle: func(*process.Event) error {
		time.Sleep(50 * time.Microsecond)
		return nil
	}}}
	e, stop := running(t, cfg)
	wait := func(state control.State, meanwhile func()) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); e.Plane.Status().Decision.State != state; meanwhile() {
			if time.Now().After(deadline) {
				t.Fatalf("never %v: %+v", state, e.Plane.Status())
			}
		}
	}
	p, err := e.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	wait(control.Emergency, func() {
		for range 100 {
			p.Publish("slow", nil, event.High)
		}
	})
	wait(control.Healthy, func() { time.Sleep(10 * time.Millisecond) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.InFlight() != 0 || s.Captured+s.Uncaptured == 0 {
		t.Errorf("%+v", s)
	}
	last, downs := control.Healthy, 0
	for _, c := range e.Plane.Status().Transitions {
		if c.From != last || c.To < c.From && c.To != c.From-1 {
			t.Errorf("from %v to %v, after %v", c.From, c.To, last)
		}
		if last = c.To; c.To < c.From {
			downs++
		}
	}
	logged := 0
	for len(lines) > 0 {
		if strings.Contains(<-lines, "pipeline state") {
			logged++
		}
	}
	if n := len(e.Plane.Status().Transitions); logged != n || downs < 4 {
		t.Errorf("%d transitions, %d of them down, %d logged", n, downs, logged)
	}
}

// TestDeadLettersAreBounded: the text is begun anew at half its bound, and the
// log lets its oldest segments go.
func TestDeadLettersAreBounded(t *testing.T) {
	cfg := smallConfig(t)
	cfg.Dead.RetainBytes, cfg.Pool[1].Count = 2<<20, 1024
	cfg.Handlers = []process.Handler{{Pattern: "#", Handle: func(*process.Event) error { return errFlaky }}}
	e, stop := running(t, cfg)
	const sent = 2000
	payload := make([]byte, 1400)
	for range sent {
		if err := e.Publish(t.Context(), strings.Repeat("long/", 100), payload, event.Medium); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := e.Stats()
	if s.Captured+s.Uncaptured != sent {
		t.Fatalf("%d captured, %d not, of %d", s.Captured, s.Uncaptured, sent)
	}
	if _, dead := e.Logs(); dead.First < 2 || dead.First > dead.Written || dead.Segments < 1 || dead.Segments > 4 || dead.Free == 0 {
		t.Errorf("what was let go of is not seen: %+v", dead)
	}
	entries, err := os.ReadDir(engine.DeadDir(cfg.Log.Dir))
	if err != nil {
		t.Fatal(err)
	}
	text, segments := int64(0), int64(0)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(entry.Name(), engine.DeadText) {
			text += info.Size()
		} else {
			segments += info.Size()
		}
	}
	if text > 2<<20 || segments > 5<<20 || text == 0 { // the log's, the one being written, and a spare
		t.Errorf("%d bytes of text and %d of log, of 2 MiB each", text, segments)
	}
}
