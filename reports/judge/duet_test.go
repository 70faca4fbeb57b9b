package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
)

// processesOf is a row of processes with one trial each.
func processesOf(row string, values []float64) Sample {
	s := Sample{Row: row, Unit: "ns/op", Values: values}
	for _, v := range values {
		s.Processes = append(s.Processes, []float64{v})
	}
	return s
}

// signsCounted is the two-sided p-value by trying all ways to give sizes a sign.
func signsCounted(values []float64) float64 {
	var sized []float64
	for _, v := range values {
		if v != 0 {
			sized = append(sized, v)
		}
	}
	rank := func(v float64) (r float64) { // the mean of the places of those of its size
		below, same := 0, 0
		for _, w := range sized {
			if math.Abs(w) < math.Abs(v) {
				below++
			} else if math.Abs(w) == math.Abs(v) {
				same++
			}
		}
		return float64(below) + float64(same+1)/2
	}
	half, observed := 0.0, 0.0
	for _, v := range sized {
		half += rank(v) / 2
		if v > 0 {
			observed += rank(v)
		}
	}
	as, all := 0, 1<<len(sized)
	for signs := range all {
		sum := 0.0
		for i, v := range sized {
			if signs>>i&1 == 1 {
				sum += rank(v)
			}
		}
		if math.Abs(sum-half) >= math.Abs(observed-half)-1e-9 {
			as++
		}
	}
	return float64(as) / float64(all)
}

// The p-value is what counting every way gives, with ties and zeros too.
func TestSignedRank(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for n := range 13 {
		for range 20 {
			values := make([]float64, n)
			for i := range values {
				values[i] = float64(r.IntN(9) - 3)
			}
			if got, want := signedRank(values), signsCounted(values); math.Abs(got-want) > 1e-9 {
				t.Fatalf("%v: p %v, counted %v", values, got, want)
			}
		}
	}
	if got := signedRank([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}); math.Abs(got-2.0/1024) > 1e-12 {
		t.Errorf("ten alike: %v", got) // the table's 0.00195
	}
	many := make([]float64, 150)
	for i := range many {
		many[i] = r.NormFloat64() + 0.2
	}
	ranks, total, above := doubledRanks(many), 0, 0
	for i, rank := range ranks {
		if total += rank; many[i] > 0 {
			above += rank
		}
	}
	least := min(above, total-above)
	if near, exact := normalRanks(ranks, total, least), 2*atMost(ranks, total, least); math.Abs(near/exact-1) > 0.05 {
		t.Errorf("by the normal distribution %v, exactly %v", near, exact)
	}
}

// The interval is cut where the tables of critical values say, for two sides at
// 0.05; of n values about 0.1 it holds 0.1 in 95 of 100 tries.
func TestHodgesLehmann(t *testing.T) {
	for n, want := range map[int]int{5: 0, 6: 0, 7: 2, 8: 3, 10: 8, 16: 29, 20: 52} {
		if got := tailRanks(n); got != want {
			t.Errorf("%d values: cut %d, want %d", n, got, want)
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{8, 16, exactRanks + 1} {
		held := 0
		for range 400 {
			values := make([]float64, n)
			for i := range values {
				values[i] = 0.1 + r.NormFloat64()
			}
			center, low, high := hodgesLehmann(values)
			if low > center || center > high {
				t.Fatalf("%v outside %v..%v", center, low, high)
			}
			if low <= 0.1 && 0.1 <= high {
				held++
			}
		}
		if held < 368 || held == 400 {
			t.Errorf("%d values: the interval held in %d of 400", n, held)
		}
	}
}

// A host that halves its speed for a second now and then hides ten percent from
// sides that are taken one by one, and not from pairs that had their turns in it.
func TestDuetSeesThroughTheHost(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	sides := func(factor float64) (old, new Side) {
		a, b := Sample{Row: "A-1", Unit: "ns/op"}, Sample{Row: "A-1", Unit: "ns/op"}
		for range DuetPairs {
			var own, other []float64
			slow := 1 + float64(r.IntN(6)/5)
			for i := range 20 {
				if r.IntN(20) == 0 {
					slow = 3 - slow
				}
				v, w := 10*slow*(1+0.01*r.NormFloat64()), 10*slow*factor*(1+0.01*r.NormFloat64())
				if i == 7 {
					v = math.NaN() // a trial that did not count
				}
				own, other = append(own, v), append(other, w)
			}
			a.Processes, b.Processes = append(a.Processes, own), append(b.Processes, other)
			counted := func(x float64) bool { return math.IsNaN(x) }
			a.Values = append(a.Values, median(slices.DeleteFunc(slices.Clone(own), counted)))
			b.Values = append(b.Values, median(slices.Clone(other)))
		}
		return side(a), side(b)
	}
	old, new := sides(1.1)
	apart, err := Compare(old, new, Alpha)
	if err != nil || apart.Changes[0].Pairs != 0 {
		t.Fatalf("%+v %v", apart, err)
	}
	old.Turns, new.Turns = "now", "now"
	c, err := Compare(old, new, Alpha)
	if err != nil {
		t.Fatal(err)
	}
	x := c.Changes[0]
	if x.Direction != record.Worse || x.Pairs != DuetPairs || math.Abs(x.Ratio-1.1) > 0.02 || x.RatioLow < 1.05 || x.RatioHi > 1.15 {
		t.Errorf("%+v", x)
	}
	if apart.Changes[0].RatioHi-apart.Changes[0].RatioLow < 4*(x.RatioHi-x.RatioLow) {
		t.Errorf("one by one %+v: the host of this test hides nothing", apart.Changes[0])
	}
	if e, err := DefaultGate().Evidence(old, new, fit, 1); err != nil || DefaultGate().Hold(e)[0].Verdict != record.Fail {
		t.Errorf("the gate lets it pass: %+v %v", e.Comparison, err)
	}
	old, new = sides(1)
	old.Turns, new.Turns = "now", "now"
	if c, err = Compare(old, new, Alpha); err != nil || c.Changes[0].Direction != record.Same {
		t.Errorf("one build against itself: %+v %v", c.Changes, err)
	}
}

// Few pairs cannot show anything, and that is said.
func TestDuetSaysWhenItCannotSee(t *testing.T) {
	old, new := side(processesOf("A-1", []float64{1, 1.1, 1, 1})), side(processesOf("A-1", []float64{2, 2.1, 2.2, 2.3}))
	old.Turns, new.Turns = "now", "now"
	c, err := Compare(old, new, Alpha)
	if err != nil || !strings.Contains(strings.Join(c.Warnings, ""), "4 pairs of processes over 1 rows") || len(c.Changes[0].Warnings) == 0 {
		t.Errorf("%+v %v", c, err)
	}
	e, err := DefaultGate().Evidence(old, new, fit, 1)
	if err != nil || DefaultGate().Hold(e)[0].Verdict != record.NotMeasured {
		t.Errorf("%+v %v", e, err)
	}
}

// Multiples of floors take no turns: between two machines they are compared as ever.
func TestDuetLeavesFloors(t *testing.T) {
	old, new := side(processesOf("A-1", drawn(1, 8, 10))), side(processesOf("A-1", drawn(2, 8, 10)))
	for i, s := range []*Side{&old, &new} {
		s.Turns = "now"
		s.Add(Sample{Row: "A-1", Unit: XFloor, Values: drawn(uint64(3+i), 8, 4)})
	}
	c, err := Compare(old, new, Alpha)
	if err != nil || len(c.Changes) != 1 || c.Changes[0].Unit == XFloor {
		t.Errorf("%+v %v", c, err)
	}
	if c, err = Across(old, new, Alpha); err != nil || len(c.Changes) != 1 || c.Changes[0].Unit != XFloor || c.Changes[0].Pairs != 0 {
		t.Errorf("%+v %v", c, err)
	}
}
