package control

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

var start = time.Unix(1_700_000_000, 0)

// at is the moment of the nth evaluation.
func at(n int) time.Time { return start.Add(time.Duration(n) * Every) }

// TestTable is DESIGN's table, a state at a time from either column, at the
// bounds and just under them.
func TestTable(t *testing.T) {
	under := func(x float64) float64 { return math.Nextafter(x, 0) }
	over := func(x float64) float64 { return math.Nextafter(x, 9) }
	for _, test := range []struct {
		depth   float64
		dropped uint64 // of 10,000 in the second
		want    State
	}{
		{0, 0, Healthy}, {under(0.5), 99, Healthy},
		{0.5, 0, Elevated}, {0, 100, Elevated}, {under(0.75), 199, Elevated},
		{0.75, 0, Degraded}, {0, 200, Degraded}, {under(1), 399, Degraded},
		{1, 0, Critical}, {0, 400, Critical}, {1.5, 999, Critical},
		{over(1.5), 0, Emergency}, {0, 1000, Emergency}, {3.2, 10_000, Emergency},
		{0.6, 1000, Emergency}, {1.6, 100, Emergency}, // the worse of the two
	} {
		p := NewPlane(Default())
		p.Step(Sample{Now: at(0)})
		got := p.Step(Sample{Now: at(10), Depth: test.depth, Received: 10_000, Dropped: test.dropped})
		if got.State != test.want {
			t.Errorf("depth %g, %d dropped of 10,000: %v, want %v", test.depth, test.dropped, got.State, test.want)
		}
	}
}

func TestActions(t *testing.T) {
	p := NewPlane(Default())
	for i, want := range []Decision{
		{State: Healthy},
		{State: Elevated, MoreWorkers: true},
		{State: Degraded, MoreWorkers: true, PauseTransactions: true},
		{State: Critical, MoreWorkers: true, PauseTransactions: true, Least: event.Medium},
		{State: Emergency, MoreWorkers: true, PauseTransactions: true, Least: event.Critical},
	} {
		depth := []float64{0, 0.5, 0.75, 1, 2}[i]
		if got := p.Step(Sample{Now: at(i), Depth: depth}); got != want {
			t.Errorf("depth %g: %+v, want %+v", depth, got, want)
		}
	}
}

func TestDepthIsOfTheSmallerBound(t *testing.T) {
	for _, test := range []struct {
		length, capacity int
		want             float64
	}{{2500, 65_536, 0.5}, {500, 1000, 0.5}, {1000, 1000, 1}, {10_000, 16_384, 2}, {0, 0, 0}} {
		if got := Default().Depth(test.length, test.capacity); got != test.want {
			t.Errorf("%d of %d: %g, want %g", test.length, test.capacity, got, test.want)
		}
	}
}

// TestWarmUp: the original evaluated from the first event on, whatever
// min_events_for_evaluation said.
func TestWarmUpCountIsHonoured(t *testing.T) {
	for received, want := range map[uint64]State{999: Healthy, 1000: Emergency} {
		p := NewPlane(Default())
		p.Step(Sample{Now: at(0)})
		if got := p.Step(Sample{Now: at(1), Received: received, Dropped: received}); got.State != want {
			t.Errorf("all of %d events dropped: %v, want %v", received, got.State, want)
		}
		if got := p.Step(Sample{Now: at(2), Received: received, Dropped: received, Depth: 0.8}); got.State < Degraded {
			t.Errorf("after %d events depth alone does not decide: %v", received, got.State)
		}
	}
}

// TestWindowSlides has all drops in one moment: they count for a second.
func TestWindowSlides(t *testing.T) {
	p := NewPlane(Default())
	for n := range 40 {
		s := Sample{Now: at(n), Received: uint64(n) * 1000}
		if n >= 5 {
			s.Dropped = 500
		}
		p.Step(s)
		want := 0.0
		if n >= 5 && n < 15 { // received in the window: as much as there is of the second
			want = 500 / float64(1000*min(n, 10))
		}
		if got := p.Status().Figures; math.Abs(got.DropRate-want) > 1e-12 {
			t.Fatalf("evaluation %d: drop rate %g, want %g (%+v)", n, got.DropRate, want, got)
		}
	}
}

func TestEvaluatesEvery100ms(t *testing.T) {
	p := NewPlane(Default())
	p.Step(Sample{Now: at(0)})
	if got := p.Step(Sample{Now: at(1).Add(-1), Depth: 9}); got.State != Healthy {
		t.Errorf("evaluated after 99.999999 ms: %v", got.State)
	}
	if got := p.Step(Sample{Now: at(1), Depth: 9}); got.State != Emergency {
		t.Errorf("not evaluated after 100 ms: %v", got.State)
	}
}

// TestRecovery: up at once, down one state after ten evaluations in a row under
// 80 % of the bound that led there.
func TestRecovery(t *testing.T) {
	p := NewPlane(Default())
	p.Step(Sample{Now: at(0), Depth: 1.6})
	n := 1
	hold := func(depth float64, evaluations int, want State) {
		t.Helper()
		for range evaluations {
			if got := p.Step(Sample{Now: at(n), Depth: depth}); got.State != want {
				t.Fatalf("evaluation %d, depth %g: %v, want %v", n, depth, got.State, want)
			}
			n++
		}
	}
	hold(1.3, 30, Emergency) // under 150 %, not under 120 %
	hold(0, 9, Emergency)
	hold(1.3, 1, Emergency) // which begins the count anew
	hold(0, 9, Emergency)
	hold(0, 10, Critical)
	hold(0, 10, Degraded)
	hold(0.65, 50, Degraded) // 80 % of its bound is 60 %
	hold(0, 9, Degraded)
	hold(1, 1, Critical) // up at once
	hold(0, 9, Critical)
	hold(0, 10, Degraded)
	hold(0, 10, Elevated)
	hold(0, 20, Healthy)
}

func TestOverride(t *testing.T) {
	p := NewPlane(Default())
	if got := p.Override(Critical, at(0)); got.State != Critical || got.Least != event.Medium {
		t.Fatalf("override: %+v", got)
	}
	for n := range 30 {
		if got := p.Step(Sample{Now: at(n), Depth: 2 * float64(n%2)}); got.State != Critical {
			t.Fatalf("evaluation %d left the overridden state for %v", n, got.State)
		}
	}
	p.Resume()
	for n := range 9 {
		p.Step(Sample{Now: at(30 + n)})
	}
	if got := p.Step(Sample{Now: at(39)}); got.State != Degraded {
		t.Errorf("ten calm evaluations after Resume: %v", got.State)
	}
	s := p.Status()
	if len(s.Transitions) != 2 || !s.Transitions[0].Manual || s.Transitions[1].Manual || s.Manual {
		t.Errorf("transitions %+v, manual %v", s.Transitions, s.Manual)
	}
}

func TestLateIsSaidAndMovesNothing(t *testing.T) {
	p := NewPlane(Default())
	if got := p.Step(Sample{Now: at(0), Latency: 101 * time.Millisecond}); got != (Decision{Late: true}) {
		t.Errorf("101 ms: %+v", got)
	}
	if got := p.Override(Degraded, at(0)); !got.Late {
		t.Error("a transition forgot that the engine is late")
	}
	if got := p.Step(Sample{Now: at(1), Latency: 100 * time.Millisecond}); got.Late {
		t.Errorf("100 ms: %+v", got)
	}
}

func TestTransitionsKeepTheirFigures(t *testing.T) {
	p := NewPlane(Default())
	for n := range 200 { // up and, by hand, down: 200 transitions, of which 64 are kept
		p.Step(Sample{Now: at(n), Depth: 0.5 + float64(n)/1000, Received: uint64(n)})
		p.Override(Healthy, at(n))
		p.Resume()
	}
	got := p.Status().Transitions
	if len(got) != changes {
		t.Fatalf("%d transitions kept, want %d", len(got), changes)
	}
	for i, tr := range got {
		n := 200 - changes/2 + i/2
		if tr.At != at(n) || tr.Figures.Depth != 0.5+float64(n)/1000 || tr.Manual != (i%2 == 1) || (tr.To == Healthy) != tr.Manual {
			t.Fatalf("transition %d of evaluation %d: %+v", i, n, tr)
		}
	}
	text, err := json.Marshal(got[0])
	if err != nil || !strings.Contains(string(text), `"from":"HEALTHY","to":"ELEVATED"`) {
		t.Errorf("%s, %v", text, err)
	}
	var back Transition
	if err := json.Unmarshal(text, &back); err != nil || back.To != Elevated {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestPlanesShareNothing: in the original the previous state was a static of
// the function, so that two planes saw each other's transitions.
func TestPlanesShareNothing(t *testing.T) {
	a, b := NewPlane(Default()), NewPlane(Default())
	for n := range 100 {
		if got := a.Step(Sample{Now: at(n), Depth: 2}); got.State != Emergency {
			t.Fatalf("the plane under pressure is %v", got.State)
		}
		if got := b.Step(Sample{Now: at(n)}); got.State != Healthy {
			t.Fatalf("the other is %v", got.State)
		}
	}
	if n := len(b.Status().Transitions); n != 0 {
		t.Errorf("%d transitions of another plane", n)
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Thresholds){
		"max_queue_depth":           func(t *Thresholds) { t.MaxQueueDepth = 0 },
		"max_drop_rate":             func(t *Thresholds) { t.MaxDropRate = math.NaN() },
		"max_latency_ms":            func(t *Thresholds) { t.MaxLatency = time.Microsecond },
		"min_events_for_evaluation": func(t *Thresholds) { t.MinEvents = 0 },
		"recovery_factor":           func(t *Thresholds) { t.RecoveryFactor = 1.1 },
	} {
		thresholds := Default()
		spoil(&thresholds)
		if err := thresholds.Validate(); err == nil || !strings.HasPrefix(err.Error(), want+":") {
			t.Errorf("%s spoilt: %v", want, err)
		}
	}
	if _, err := ParseState("healthy"); err == nil {
		t.Error("a state that is none was parsed")
	}
}

// TestForgettingBeginsAnew: what was dropped a moment ago brings about no state
// any more, and counts in no rate.
func TestForgettingBeginsAnew(t *testing.T) {
	p, at := NewPlane(Default()), time.Unix(1000, 0)
	step := func(received, dropped uint64) Decision {
		at = at.Add(Every)
		return p.Step(Sample{Now: at, Received: received, Dropped: dropped})
	}
	step(0, 0)
	if d := step(10_000, 5000); d.State != Emergency || p.Status().Evaluated != 2 {
		t.Fatalf("%+v after %d evaluations", d, p.Status().Evaluated)
	}
	p.Forget(at)
	if s := p.Status(); s.Evaluated != 0 || s.Manual || s.Figures != (Figures{}) || len(s.Transitions) != 2 {
		t.Errorf("%+v", s)
	}
	step(10_000, 5000)
	if d := step(20_000, 5000); d.State != Healthy || p.Status().Figures.Dropped != 0 {
		t.Errorf("%+v, figures %+v", d, p.Status().Figures)
	}
	p.Forget(at)
	if n := len(p.Status().Transitions); n != 2 {
		t.Errorf("%d transitions, though nothing changed", n)
	}
}
