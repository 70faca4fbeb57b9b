package judge

import (
	"math"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
)

var (
	fit      = record.Fitness{Verdict: record.Fit}
	degraded = record.Fitness{Verdict: record.Degraded, Checks: []record.Check{
		{Name: "governor", Verdict: record.OK}, {Name: "hypervisor", Verdict: record.Warn}, {Name: "steal", Verdict: record.Bad},
	}}
	unfit = record.Fitness{Verdict: record.Unfit, Checks: []record.Check{{Name: "tsc", Verdict: record.Bad}}}
)

// around gives n values spread evenly by 1 % either side of center.
func around(center float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = center * (0.99 + 0.02*float64(i)/float64(n-1))
	}
	return values
}

func TestJudge(t *testing.T) {
	spsc, _ := ByID("spsc")      // < 10 ns
	rate, _ := ByID("spsc-rate") // >= 4.5 M/s
	for _, c := range []struct {
		name   string
		target Target
		values []float64
		host   record.Fitness
		want   string
		reason string // part of the reasons, joined
	}{
		{"well within", spsc, around(5, 10), fit, record.Pass, ""},
		{"well within, degraded host", spsc, around(5, 10), degraded, record.Pass, ""},
		{"within means nothing, unfit host", spsc, around(5, 10), unfit, record.Inconclusive, "UNFIT: tsc"},
		{"missed", spsc, around(20, 10), fit, record.Fail, ""},
		{"missed, degraded host", spsc, around(20, 10), degraded, record.Inconclusive, "DEGRADED: hypervisor, steal"},
		{"missed, unknown host", spsc, around(20, 10), record.Fitness{}, record.Inconclusive, "unknown"},
		{"median within, interval not", spsc, around(9.99, 10), fit, record.Fail, "more trials"},
		{"on the bound is not under it", spsc, slices.Repeat([]float64{10}, 10), fit, record.Fail, ""},
		{"rate within", rate, around(5e6, 10), fit, record.Pass, ""},
		{"rate on the bound", rate, slices.Repeat([]float64{4.5e6}, 10), fit, record.Pass, ""},
		{"rate whose lower end falls short", rate, around(4.51e6, 10), fit, record.Fail, "more trials"},
		{"rate missed", rate, around(1e6, 10), fit, record.Fail, ""},
		{"too few", spsc, around(5, TrialsMin-1), fit, record.Inconclusive, "5 trials give no 95 % interval"},
		{"just enough", spsc, around(5, TrialsMin), fit, record.Pass, ""},
		{"one", spsc, []float64{5}, fit, record.Inconclusive, "6 are needed"},
		{"none", spsc, nil, fit, record.NotMeasured, "no valid trial"},
		{"a zero", spsc, append(around(5, 9), 0), fit, record.NotMeasured, "1 of 10"},
		{"not finite", spsc, append(around(5, 8), math.NaN(), math.Inf(1)), fit, record.NotMeasured, "2 of 10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Judge(c.target, c.values, nil, c.host)
			reasons := strings.Join(got.Reasons, "; ")
			if got.Verdict != c.want || !strings.Contains(reasons, c.reason) {
				t.Errorf("%s (%s), want %s (.. %s ..)", got.Verdict, reasons, c.want, c.reason)
			}
			if got.Verdict != record.Pass && got.Verdict != record.Fail && reasons == "" {
				t.Errorf("%s without a reason", got.Verdict)
			}
			for _, v := range []float64{got.Center, got.Low, got.High} {
				if math.IsInf(v, 0) || math.IsNaN(v) {
					t.Errorf("%v would not go into run.json", got)
				}
			}
		})
	}
}

func TestJudgeKeepsTheCallersOrder(t *testing.T) {
	spsc, _ := ByID("spsc")
	values := []float64{9, 1, 8, 2, 7, 3, 6}
	before := slices.Clone(values)
	Judge(spsc, values, nil, fit)
	if !slices.Equal(values, before) {
		t.Errorf("values became %v", values)
	}
}

func TestXFloor(t *testing.T) {
	floor := &record.Floor{Name: "line", Ns: 4}
	spsc, _ := ByID("spsc")
	rate, _ := ByID("spsc-rate")
	gain, _ := ByID("pool-gain")
	for _, c := range []struct {
		target Target
		center float64
		floor  *record.Floor
		want   float64
	}{
		{spsc, 8, floor, 2},
		{rate, 1e9 / 12, floor, 3},
		{gain, 2, floor, 0},
		{spsc, 8, nil, 0},
		{spsc, 8, &record.Floor{}, 0},
	} {
		got := Judge(c.target, slices.Repeat([]float64{c.center}, 10), c.floor, fit).XFloor
		if math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s at %v over %v: %v times, want %v", c.target.ID, c.center, c.floor, got, c.want)
		}
	}
}

func TestRow(t *testing.T) {
	e2e, _ := ByID("e2e")
	trial := func(unit string, v float64) record.Trial {
		return record.Trial{N: 100, Values: []record.Value{{Unit: unit, Value: v}}}
	}
	good := slices.Repeat([]record.Trial{trial("p99-ns", 900)}, 10)
	invalid := record.Trial{N: 1, Invalid: "generator fell behind", Values: []record.Value{{Unit: "p99-ns", Value: 1e9}}}
	for _, c := range []struct {
		name   string
		row    record.Row
		want   string
		reason string
	}{
		{"good", record.Row{Trials: good}, record.Pass, ""},
		{"invalid trials do not count", record.Row{Trials: append(slices.Clone(good), invalid)}, record.Pass, ""},
		{"all invalid", record.Row{Trials: []record.Trial{invalid}}, record.NotMeasured, "generator fell behind"},
		{"skipped", record.Row{Skipped: "needs two nodes", Trials: good}, record.NotMeasured, "needs two nodes"},
		{"oversubscribed", record.Row{Oversubscribed: "3 spinning threads on 2 CPUs", Trials: good}, record.NotMeasured, "3 spinning"},
		{"no percentile", record.Row{Trials: []record.Trial{trial("p50-ns", 4)}}, record.NotMeasured, "368 events"},
		{"a percentile now and then", record.Row{Trials: append(slices.Clone(good), trial("p50-ns", 4))}, record.NotMeasured, "1 of 11"},
		{"empty", record.Row{}, record.NotMeasured, "no trial was run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Row(e2e, c.row, fit)
			if got.Verdict != c.want || !strings.Contains(strings.Join(got.Reasons, "; "), c.reason) {
				t.Errorf("%s %q, want %s .. %s", got.Verdict, got.Reasons, c.want, c.reason)
			}
		})
	}
}

// The interval is an order statistic's: with ten values the second and the
// ninth (0.979), with six the first and the last (0.969).
func TestSummarise(t *testing.T) {
	for _, c := range []struct {
		values            []float64
		center, low, high float64
		bounded           bool
	}{
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 5.5, 2, 9, true},
		{[]float64{6, 5, 4, 3, 2, 1}, 3.5, 1, 6, true},
		{[]float64{1, 2, 3, 4, 5}, 3, 0, 0, false},
	} {
		s := Summarise(c.values)
		if s.Center != c.center || s.Bounded != c.bounded || s.N != len(c.values) {
			t.Errorf("%v: %+v", c.values, s)
		}
		if c.bounded && (s.Low != c.low || s.High != c.high) {
			t.Errorf("%v: [%v, %v], want [%v, %v]", c.values, s.Low, s.High, c.low, c.high)
		}
	}
	if s := Summarise(nil); s != (Summary{}) {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestTargetsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, target := range Targets {
		if seen[target.ID] || target.What == "" || target.Source == "" || !(target.Bound > 0) {
			t.Errorf("%+v", target)
		}
		seen[target.ID] = true
		if MoreIsBetter(target.Unit) != target.AtLeast {
			t.Errorf("%s: the bound and the unit %s disagree on which way is better", target.ID, target.Unit)
		}
	}
}

func TestMissing(t *testing.T) {
	rows := []record.Row{{Judgements: []record.Judgement{{Target: "spsc"}, {Target: "e2e"}}}}
	missing := Missing(rows)
	if len(missing) != len(Targets)-2 {
		t.Errorf("%d missing of %d", len(missing), len(Targets))
	}
	if len(Missing(nil)) != len(Targets) {
		t.Error("no rows judge nothing")
	}
}
