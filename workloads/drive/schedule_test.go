package drive

import (
	"math"
	"slices"
	"testing"
)

func walk(s Schedule, n int) []int64 {
	p := NewPacer(s)
	list := make([]int64, n)
	for i := range list {
		next := p.Next()
		if list[i] = p.Take(); list[i] != next {
			panic("Take is not what Next said")
		}
	}
	return list
}

func TestConstantDoesNotDrift(t *testing.T) {
	for _, rate := range []float64{0.5, 3, 7, 50_000, 333_333, 1e6 / 3, 9_999_999} {
		for i, at := range walk(Schedule{Rate: rate}, 1_000_000) {
			if want := float64(i) / rate * 1e9; math.Abs(float64(at)-want) > 1 {
				t.Fatalf("rate %v: event %d at %d ns, want %v", rate, i, at, want)
			}
		}
	}
}

func TestBurst(t *testing.T) {
	got := walk(Schedule{Shape: Burst, Rate: 1000, Burst: 4}, 10)
	want := []int64{0, 0, 0, 0, 4e6, 4e6, 4e6, 4e6, 8e6, 8e6}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPoisson holds the gaps to the exponential distribution (Kolmogorov's
// distance, at one in a million) and the schedule to its seed.
func TestPoisson(t *testing.T) {
	const n, rate = 100_000, 20_000.0
	s := Schedule{Shape: Poisson, Rate: rate, Seed: 3}
	list := walk(s, n+1)
	if !slices.IsSorted(list) || list[0] != 0 {
		t.Fatal("times run backwards, or do not start at 0")
	}
	gaps := make([]float64, n)
	for i := range gaps {
		gaps[i] = float64(list[i+1]-list[i]) / 1e9
	}
	slices.Sort(gaps)
	worst := 0.0
	for i, gap := range gaps {
		cdf := 1 - math.Exp(-gap*rate)
		worst = max(worst, math.Abs(cdf-float64(i)/n))
	}
	if bound := 2.7 / math.Sqrt(n); worst > bound {
		t.Errorf("distance from the exponential distribution %v, over %v", worst, bound)
	}
	if !slices.Equal(list, walk(s, n+1)) {
		t.Error("the same seed gave other times")
	}
	if s.Seed++; slices.Equal(list, walk(s, n+1)) {
		t.Error("another seed gave the same times")
	}
}

func TestShapeNames(t *testing.T) {
	for s := range shapes {
		if back, err := ParseShape(s.String()); err != nil || back != s {
			t.Errorf("%v: %v, %v", s, back, err)
		}
	}
	if _, err := ParseShape("square"); err == nil {
		t.Error("square: accepted")
	}
}

func TestScheduleValidate(t *testing.T) {
	tests := []struct {
		schedule Schedule
		ok       bool
	}{
		{Schedule{Rate: 1}, true},
		{Schedule{Rate: 0}, false},
		{Schedule{Rate: math.NaN()}, false},
		{Schedule{Rate: 2e9}, false},
		{Schedule{Rate: 1, Shape: shapes}, false},
		{Schedule{Rate: 1, Shape: Burst}, false},
		{Schedule{Rate: 1, Shape: Burst, Burst: 1}, true},
	}
	for _, test := range tests {
		if err := test.schedule.Validate(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.schedule, err)
		}
	}
}
