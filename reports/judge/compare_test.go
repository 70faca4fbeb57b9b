package judge

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
)

// drawn is n values about center, spread by 1 %.
func drawn(seed uint64, n int, center float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 7))
	values := make([]float64, n)
	for i := range values {
		values[i] = center * (1 + 0.01*r.NormFloat64())
	}
	return values
}

func side(samples ...Sample) Side {
	s := Side{Name: "side", Host: record.Fit, Hardware: []record.Param{{Key: "cpu", Value: "Example"}, {Key: record.PlanKey, Value: "a@0"}}}
	for _, x := range samples {
		s.Add(x)
	}
	return s
}

func TestCompareDirections(t *testing.T) {
	for _, c := range []struct {
		unit     string
		old, new float64
		want     string
		worse    float64 // roughly
	}{
		{"ns/op", 100, 120, record.Worse, 0.2},
		{"ns/op", 100, 80, record.Better, -0.2},
		{"p99-ns", 100, 120, record.Worse, 0.2},
		{"events/s", 100, 120, record.Better, 1/1.2 - 1},
		{"events/s", 100, 80, record.Worse, 0.25},
		{"B/s", 100, 80, record.Worse, 0.25},
		{"x-alloc", 100, 120, record.Better, 1/1.2 - 1},
		{"ns/op", 100, 100, record.Same, 0},
	} {
		old, new := side(Sample{Row: "A-1", Unit: c.unit, Values: drawn(1, 10, c.old)}), side(Sample{Row: "A-1", Unit: c.unit, Values: drawn(2, 10, c.new)})
		got, err := Compare(old, new, Alpha)
		if err != nil {
			t.Fatal(err)
		}
		change := got.Changes[0]
		if change.Direction != c.want || math.Abs(worsening(change)-c.worse) > 0.02 {
			t.Errorf("%s %v to %v: %s, worse by %.3f, want %s, %.3f", c.unit, c.old, c.new, change.Direction, worsening(change), c.want, c.worse)
		}
		if change.RatioLow > change.Ratio || change.RatioHi < change.Ratio {
			t.Errorf("%v lies outside its interval [%v, %v]", change.Ratio, change.RatioLow, change.RatioHi)
		}
	}
}

func TestCompareRows(t *testing.T) {
	old := side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1, 10, 9)}, Sample{Row: "A-1", Unit: "events/s", Values: drawn(1, 10, 9)}, Sample{Row: "Gone-1", Unit: "ns/op", Values: drawn(1, 10, 9)})
	new := side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(2, 10, 9)}, Sample{Row: "New-1", Unit: "ns/op", Values: drawn(1, 10, 9)})
	c, err := Compare(old, new, Alpha)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Missing, []string{"Gone-1", "A-1 in events/s"}) && !slices.Equal(c.Missing, []string{"A-1 in events/s", "Gone-1"}) {
		t.Errorf("missing %q", c.Missing)
	}
	if !slices.Equal(c.Added, []string{"New-1"}) || len(c.Changes) != 1 {
		t.Errorf("added %q, %d changes", c.Added, len(c.Changes))
	}
	if _, err := Compare(side(Sample{Row: "A-1", Unit: "ns/op", Values: []float64{1}}), side(Sample{Row: "B-1", Unit: "ns/op", Values: []float64{1}}), Alpha); !errors.Is(err, ErrNoRows) {
		t.Errorf("nothing in common: %v", err)
	}
}

func TestCompareRefusesOtherHardware(t *testing.T) {
	a := side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1, 10, 9)}, Sample{Row: "A-1", Unit: XFloor, Values: drawn(1, 10, 2)})
	b := side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1, 10, 50)}, Sample{Row: "A-1", Unit: XFloor, Values: drawn(3, 10, 2)})
	b.Hardware = []record.Param{{Key: "cpu", Value: "Other"}, {Key: record.PlanKey, Value: "a@0"}}
	_, err := Compare(a, b, Alpha)
	if !errors.Is(err, ErrHardware) || !strings.Contains(err.Error(), "cpu Example against Other") {
		t.Errorf("%v", err)
	}
	c, err := Across(a, b, Alpha)
	if err != nil || len(c.Changes) != 1 || c.Changes[0].Unit != XFloor || len(c.Across) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestComparePlansMayDiffer(t *testing.T) {
	a, b := side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1, 10, 9)}), side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(2, 10, 9)})
	b.Hardware = []record.Param{{Key: "cpu", Value: "Example"}, {Key: record.PlanKey, Value: "a@1"}}
	c, err := Compare(a, b, Alpha)
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "plans differ") {
		t.Errorf("%v %v", c.Warnings, err)
	}
}

// A floor that is known to no better than 50 % cannot show a multiple of it to
// have moved by 20 %, however still the trials stand.
func TestCompareKnowsTheFloorsError(t *testing.T) {
	old := side(Sample{Row: "A-1", Unit: XFloor, Values: drawn(1, 10, 2), Spread: 0.5})
	new := side(Sample{Row: "A-1", Unit: XFloor, Values: drawn(2, 10, 2.4), Spread: 0.5})
	c, err := Compare(old, new, Alpha)
	if err != nil || c.Changes[0].Direction != record.Same {
		t.Errorf("%+v, %v", c.Changes, err)
	}
	old.Samples[0].Spread, new.Samples[0].Spread = 0, 0
	if c, _ = Compare(old, new, Alpha); c.Changes[0].Direction != record.Worse {
		t.Errorf("with an exact floor: %+v", c.Changes)
	}
}

// The example of Holm's paper in small: 0.01, 0.02, 0.03 and 0.04 become 0.04,
// 0.06, 0.06 and 0.06.
func TestHolm(t *testing.T) {
	changes := []record.Change{{P: 0.04}, {P: 0.01}, {P: 0.03}, {P: 0.02}}
	holm(changes)
	for i, want := range []float64{0.06, 0.04, 0.06, 0.06} {
		if math.Abs(changes[i].PHolm-want) > 1e-12 {
			t.Errorf("p %v becomes %v, want %v", changes[i].P, changes[i].PHolm, want)
		}
	}
	one := []record.Change{{P: 0.9}}
	if holm(one); one[0].PHolm != 0.9 {
		t.Errorf("alone: %v", one[0].PHolm)
	}
}

// Without Holm some 5 % of rows would be false alarms; with it some 5 % of whole
// comparisons at most are.
func TestCompareFamilyOfRows(t *testing.T) {
	const runs, rows = 200, 20
	alarms, plain := 0, 0
	for run := range uint64(runs) {
		var changes []record.Change
		for row := range uint64(rows) {
			old := Sample{Unit: "ns/op", Values: drawn(run*1000+row*2, 10, 9)}
			changes = append(changes, change(old, Sample{Unit: "ns/op", Values: drawn(run*1000+row*2+1, 10, 9)}))
		}
		direct(changes, Alpha)
		if slices.ContainsFunc(changes, func(x record.Change) bool { return x.Direction != record.Same }) {
			alarms++
		}
		if slices.ContainsFunc(changes, func(x record.Change) bool { return x.P <= Alpha }) {
			plain++
		}
	}
	if alarms > runs/10 {
		t.Errorf("%d of %d comparisons of the same with itself alarm", alarms, runs)
	}
	if plain < runs/3 {
		t.Errorf("only %d of %d would alarm without Holm: the test shows nothing", plain, runs)
	}
}

func TestCompareSaysWhenItCannotSee(t *testing.T) {
	old, new := side(), side()
	for i := range 30 {
		name := string(rune('A'+i)) + "-1"
		old.Add(Sample{Row: name, Unit: "ns/op", Values: drawn(1, 6, 9)})
		new.Add(Sample{Row: name, Unit: "ns/op", Values: drawn(2, 6, 90)})
	}
	c, err := Compare(old, new, Alpha)
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "cannot show any difference") {
		t.Errorf("%v %v", c.Warnings, err)
	}
}

// What was measured one after the other on a host that moves by itself may show
// nothing but that: it is warned of, and where the host is known not to be FIT nothing
// is said of what differs.
func TestCompareWarnsOfTheHost(t *testing.T) {
	for _, c := range []struct {
		host, turns string
		want        int
		direction   string
	}{{record.Fit, "", 0, record.Worse}, {record.Degraded, "", 1, record.Inconclusive}, {record.Degraded, "ab", 0, record.Worse}, {record.Unfit, "", 1, record.Inconclusive}, {"", "", 1, record.Worse}} {
		old, new := side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(1, 10, 9)}), side(Sample{Row: "A-1", Unit: "ns/op", Values: drawn(2, 10, 90)})
		new.Host, old.Turns, new.Turns = c.host, c.turns, c.turns
		got, err := Compare(old, new, Alpha)
		if err != nil || len(got.Warnings) != c.want || got.Changes[0].Direction != c.direction {
			t.Errorf("%+v: %q %s %v", c, got.Warnings, got.Changes[0].Direction, err)
		}
	}
}

func TestSideOf(t *testing.T) {
	trials := func(unit string, values ...float64) (all []record.Trial) {
		for _, v := range values {
			all = append(all, record.Trial{N: 1, Values: []record.Value{{Unit: unit, Value: v}}})
		}
		return all
	}
	run := record.Run{Host: record.Host{CPU: "Example", Allowed: []int{0, 1}}, Rows: []record.Row{
		{Workload: "spsc", Trials: trials("ns/op", 8, 0, math.Inf(1), 12), Floor: &record.Floor{Ns: 4, Low: 3, High: 5}, FloorUnit: "ns/op"},
		{Workload: "mpsc", Oversubscribed: "yes", Trials: trials("ns/op", 8)},
		{Workload: "skipped", Skipped: "yes"},
	}}
	s := SideOf("run", run)
	if len(s.Samples) != 2 || !slices.Equal(s.Samples[0].Values, []float64{8, 12}) {
		t.Fatalf("%+v", s.Samples)
	}
	if x := s.Samples[1]; x.Unit != XFloor || !slices.Equal(x.Values, []float64{2, 3}) || x.Spread != 0.25 {
		t.Errorf("%+v", x)
	}
}
