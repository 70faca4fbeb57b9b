package workloads

import (
	"math"
	"math/rand/v2"
	"testing"

	"eventstreamcore/reports/record"
)

// shapes are what trials of a machine at rest look like, around 100.
var shapes = map[string]func(*rand.Rand) float64{
	"normal":      func(r *rand.Rand) float64 { return 100 + 3*r.NormFloat64() },
	"lognormal":   func(r *rand.Rand) float64 { return 90 + 10*math.Exp(0.8*r.NormFloat64()) },
	"exponential": func(r *rand.Rand) float64 { return 95 + 8*r.ExpFloat64() },
	"resolution":  func(r *rand.Rand) float64 { return 100 + 10*float64(r.IntN(2)) }, // two steps of a clock
}

func draw(r *rand.Rand, n int, shape func(*rand.Rand) float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = shape(r)
	}
	return values
}

// TestSteadyIsSteady counts alarms over trials that nothing disturbs.
func TestSteadyIsSteady(t *testing.T) {
	const rounds = 2000
	for name, shape := range shapes {
		if name == "resolution" {
			continue // which has two modes
		}
		for _, n := range []int{10, 20} {
			r := rand.New(rand.NewPCG(3, uint64(n)))
			unsteady, warm := 0, 0
			for range rounds {
				values := draw(r, n, shape)
				if steadiness("ns/op", values, 1).Unsteady {
					unsteady++
				}
				if warmUp(values) > 0 {
					warm++
				}
			}
			if unsteady > rounds*3/100 || warm > rounds*6/100 {
				t.Errorf("%s, %d trials: %d of %d unsteady, %d with a warm-up", name, n, unsteady, rounds, warm)
			}
		}
	}
}

func TestUnsteadyIsFound(t *testing.T) {
	const rounds = 300
	normal := shapes["normal"]
	for name, plant := range map[string]func(i, n int, v float64) float64{
		"a drift of 20 %": func(i, n int, v float64) float64 { return v * (1 + 0.2*float64(i)/float64(n-1)) },
		"a step of 15 %": func(i, n int, v float64) float64 {
			if i >= n/2 {
				return v * 1.15
			}
			return v
		},
		"two modes": func(i, n int, v float64) float64 {
			if i*7%3 == 0 {
				return v * 1.9
			}
			return v
		},
	} {
		r := rand.New(rand.NewPCG(5, 5))
		found := 0
		for range rounds {
			values := draw(r, 20, normal)
			for i := range values {
				values[i] = plant(i, len(values), values[i])
			}
			if steadiness("ns/op", values, 1).Unsteady {
				found++
			}
		}
		if found < rounds*95/100 {
			t.Errorf("%s: found in %d of %d", name, found, rounds)
		}
	}
}

func TestModes(t *testing.T) {
	m := modes([]float64{82, 410, 80, 85, 395, 81, 402, 84, 83, 399})
	if len(m) != 2 || m[0] != (record.Mode{Center: 82.5, Trials: 6}) || m[1] != (record.Mode{Center: 400.5, Trials: 4}) {
		t.Errorf("%+v", m)
	}
	if m := modes([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 90}); len(m) != 1 {
		t.Errorf("one far trial is no mode: %+v", m)
	}
}

// TestWarmUpIsFound: as many trials as are slow at first, no more.
func TestWarmUpIsFound(t *testing.T) {
	const rounds = 200
	for _, slow := range []int{0, 1, 2, 4} {
		r := rand.New(rand.NewPCG(9, uint64(slow)))
		right := 0
		for range rounds {
			values := draw(r, 20, shapes["normal"])
			for i := range slow {
				values[i] *= 1.5
			}
			if warmUp(values) == slow {
				right++
			}
		}
		if right < rounds*95/100 {
			t.Errorf("%d slow trials at first: found in %d of %d", slow, right, rounds)
		}
	}
	if n := warmUp([]float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}); n > 5 {
		t.Errorf("%d of 10 trials of a drift were taken for a warm-up", n)
	}
}
