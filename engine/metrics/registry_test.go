package metrics

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

func constant(readings ...Reading) Source {
	return func(emit func(Reading)) {
		for _, r := range readings {
			emit(r)
		}
	}
}

func TestRegistryGathersInOrder(t *testing.T) {
	var r Registry
	lane := func(name string) []Label { return []Label{{"lane", name}} }
	r.Add(constant(Reading{Name: "b", Help: "B.", Labels: lane("y")}, Reading{Name: "b", Help: "B.", Labels: lane("x")}))
	r.Add(constant(Reading{Name: "a", Help: "A.", Kind: Level, Value: 3}))
	got, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range got {
		names = append(names, g.Name)
		for _, l := range g.Labels {
			names = append(names, l.Value)
		}
	}
	if want := []string{"a", "b", "x", "b", "y"}; !slices.Equal(names, want) {
		t.Errorf("gathered %q, want %q", names, want)
	}
}

func TestRegistryLeavesOutWhatIsWrong(t *testing.T) {
	good := Reading{Name: "good_total", Help: "Good.", Labels: []Label{{"lane", "a"}}}
	for _, test := range []struct {
		name string
		bad  Reading
		want string
	}{
		{"name", Reading{Name: "Bad-name", Help: "B."}, "a name is"},
		{"no help", Reading{Name: "bad"}, "no help"},
		{"no snapshot", Reading{Name: "bad", Help: "B.", Kind: Spread}, "a Spread has"},
		{"stray snapshot", Reading{Name: "bad", Help: "B.", Spread: new(Snapshot)}, "a Spread has"},
		{"label", Reading{Name: "bad", Help: "B.", Labels: []Label{{"le", "1"}}}, "not le"},
		{"other help", Reading{Name: "good_total", Help: "Other.", Labels: []Label{{"lane", "b"}}}, "differ"},
		{"other labels", Reading{Name: "good_total", Help: "Good."}, "differ"},
		{"twice", good, "two of it"},
	} {
		var r Registry
		r.Add(constant(good))
		r.Add(constant(test.bad))
		got, err := r.Gather()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
		if len(got) != 1 || got[0].Name != good.Name {
			t.Errorf("%s: gathered %v, want the good one alone", test.name, got)
		}
	}
}

// TestMetricsMapIsNotExposed: the original's registry handed out its map, which
// callers then read and wrote beside it. Here what is gathered is the caller's
// own, and adding while others gather is no race (under -race it would be told).
func TestMetricsMapIsNotExposed(t *testing.T) {
	var r Registry
	labels := []Label{{"lane", "a"}}
	r.Add(constant(Reading{Name: "a", Help: "A.", Labels: labels}))
	got, _ := r.Gather()
	got[0].Name, got[0].Labels[0].Value = "changed", "changed"
	if again, _ := r.Gather(); again[0].Name != "a" || again[0].Labels[0].Value != "a" {
		t.Errorf("a reader changed what the next one reads: %+v", again[0])
	}
	var both sync.WaitGroup
	both.Go(func() {
		for range 100 {
			r.Add(constant())
		}
	})
	both.Go(func() {
		for range 100 {
			if got, err := r.Gather(); len(got) != 1 || err != nil {
				t.Errorf("gathered %d readings: %v", len(got), err)
			}
		}
	})
	both.Wait()
}

func TestSinceIsTheDifference(t *testing.T) {
	var h Histogram
	h.RecordN(1e9, 5)
	before := h.Snapshot()
	h.RecordN(1000, 3)
	h.RecordN(2000, 1)
	got := h.Snapshot().Since(before)
	if got.Count != 4 || got.Sum != 5000 {
		t.Errorf("count %d sum %d, want 4 and 5000", got.Count, got.Sum)
	}
	if got.Max < 2000 || got.Max > 2032 || got.Quantile(0.5) < 1000 || got.Quantile(0.5) > 1016 {
		t.Errorf("max %d and median %d, want 2000 and 1000 to 1.6 %%", got.Max, got.Quantile(0.5))
	}
	if nothing := before.Since(before); nothing.Count != 0 || nothing.Max != 0 || nothing.Quantile(0.99) != 0 {
		t.Errorf("of nothing: count %d max %d", nothing.Count, nothing.Max)
	}
}

func TestWithinCountsWholeBuckets(t *testing.T) {
	var h Histogram
	h.RecordN(100, 2)
	h.RecordN(5000, 3)
	h.RecordN(1<<50, 1)
	s := h.Snapshot()
	for _, test := range []struct {
		ns   int64
		want uint64
	}{{0, 0}, {99, 0}, {100, 2}, {4000, 2}, {5100, 5}, {1 << 40, 6}} {
		if got := s.Within(test.ns); got != test.want {
			t.Errorf("within %d ns: %d, want %d", test.ns, got, test.want)
		}
	}
}
