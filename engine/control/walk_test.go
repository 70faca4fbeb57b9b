package control

import (
	"math/rand/v2"
	"testing"
	"time"
)

// twin is the controller as a slow reader of DESIGN would write it: it keeps
// every sample and begins anew each time.
type twin struct {
	samples []Sample
	state   State
	quiet   int
}

func (w *twin) step(t Thresholds, s Sample) State {
	if n := len(w.samples); n > 0 && s.Now.Sub(w.samples[n-1].Now) < 100*time.Millisecond {
		return w.state
	}
	depth, rate := s.Depth, w.rate(t, s)
	w.samples = append(w.samples, s)
	max := t.MaxDropRate
	state := Healthy
	switch {
	case depth > 1.5 || rate >= 5*max:
		state = Emergency
	case depth >= 1 || rate >= 2*max:
		state = Critical
	case depth >= 0.75 || rate >= max:
		state = Degraded
	case depth >= 0.5 || rate >= max/2:
		state = Elevated
	}
	if state > w.state {
		w.state, w.quiet = state, 0
		return w.state
	}
	depths, rates := [States]float64{0, 0.5, 0.75, 1, 1.5}, [States]float64{0, 0.5 * max, max, 2 * max, 5 * max}
	if depth >= t.RecoveryFactor*depths[w.state] || rate >= t.RecoveryFactor*rates[w.state] {
		w.quiet = 0
		return w.state
	}
	if w.quiet++; w.quiet >= 10 {
		w.state, w.quiet = w.state-1, 0
	}
	return w.state
}

// rate is the share dropped in the second before s, or -1 for too few events.
func (w *twin) rate(t Thresholds, s Sample) float64 {
	if len(w.samples) == 0 {
		return -1
	}
	from := w.samples[0]
	for _, old := range w.samples {
		if s.Now.Sub(old.Now) >= time.Second {
			from = old
		}
	}
	if s.Received-from.Received < t.MinEvents {
		return -1
	}
	return min(1, float64(s.Dropped-from.Dropped)/float64(s.Received-from.Received))
}

// TestWalks takes both through the same random loads, with bursts, lulls, late
// evaluations and figures that sit exactly on bounds.
func TestWalks(t *testing.T) {
	var visited, left [States]int
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		thresholds := Default()
		thresholds.MinEvents = 1 + r.Uint64N(2000)
		p, w := NewPlane(thresholds), new(twin)
		s := Sample{Now: start}
		depth, drops := 0.0, 0.0
		before := Healthy
		for i := range 1000 {
			if r.IntN(20) == 0 {
				depth = float64(r.IntN(40)) / 20
				drops = float64(r.IntN(12)) * thresholds.MaxDropRate / 2
			}
			if r.IntN(60) == 0 {
				depth, drops = 0, 0
			}
			received := uint64(r.IntN(400)) * 100 / (1 + uint64(r.IntN(100)))
			s.Now = s.Now.Add(time.Duration(40+r.IntN(160)) * time.Millisecond)
			s.Depth, s.Received, s.Dropped = depth, s.Received+received, s.Dropped+uint64(drops*float64(received))
			got, want := p.Step(s), w.step(thresholds, s)
			if got.State != want || got != decide(want) {
				t.Fatalf("seed %d, step %d, %+v, figures %+v: %+v, the twin says %v", seed, i, s, p.Status().Figures, got, want)
			}
			if got.State < before {
				left[before]++
				if got.State != before-1 {
					t.Fatalf("seed %d, step %d: down from %v to %v at once", seed, i, before, got.State)
				}
			}
			visited[got.State]++
			before = got.State
		}
	}
	for s := range States {
		if visited[s] < 1000 || s > 0 && left[s] < 100 {
			t.Errorf("%v was met %d times and left downwards %d times: the walks are too tame", State(s), visited[s], left[s])
		}
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	p, n := NewPlane(Default()), 0
	if allocs := testing.AllocsPerRun(100, func() {
		n++
		p.Step(Sample{Now: at(n), Depth: float64(n % 3), Received: uint64(n) * 5000})
	}); allocs != 0 {
		t.Errorf("a step allocates %g times", allocs)
	}
}
