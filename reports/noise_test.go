package reports

import (
	"slices"
	"testing"

	"eventstreamcore/reports/record"
)

func TestDisturbances(t *testing.T) {
	row := record.Row{
		Trials: []record.Trial{{N: 100, Counters: []record.Counter{
			{Thread: "hot", Name: "cycles", Value: 2400, Share: 1}, {Thread: "peer", Name: "cycles", Value: 1, Share: 1}, {Thread: "hot", Name: "page-faults", Value: 1, Share: 1}}}},
		Distributions: []record.Distribution{
			{Name: "way", Count: 1000, Percentiles: []record.Percentile{{Percent: 50, Ns: 500}, {Percent: 90, Ns: 700}, {Percent: 99, Ns: 80_000}, {Percent: 99.9, Ns: 90_000}}},
			{Name: "way" + record.Undisturbed, Count: 950, Percentiles: []record.Percentile{{Percent: 50, Ns: 490}, {Percent: 90, Ns: 600}, {Percent: 99, Ns: 900}}},
			{Name: "way" + record.Stamped, Count: 4000, Percentiles: []record.Percentile{{Percent: 50, Ns: 650}, {Percent: 90, Ns: 800}}},
		},
		Blames:     []record.Blame{{Cause: "engine: another task", Outliers: 2, Events: 50, Longest: 90_000}, {Cause: record.Unexplained, Outliers: 1, Events: 1, Longest: 7_000}},
		Steadiness: &record.Steadiness{Unit: "p50-ns", WarmUp: 3, Unsteady: true, Verdict: "drifts by +20 % from the first trial to the last"},
	}
	want := []string{
		"disturbed 5.0 % of 1,000 events; p50 all 500 ns, undisturbed 490 ns; p99 all 80.0 us, undisturbed 900 ns",
		"legs of 4,000 events of trials of their own, which each stage stamps: p50 650 ns, without stamps 500 ns",
		"outliers over 10 medians: 3, of 51 events; by cause: engine: another task: 50 events, to 90.0 us; unexplained: 1 event, to 7.00 us",
		"counted for one operation: cycles 24",
		"warm-up: 3 trials were not yet like the rest, and are left out",
		"UNSTEADY: p50-ns over the trials: drifts by +20 % from the first trial to the last",
	}
	if got := disturbances(row); !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if got := disturbances(record.Row{Steadiness: &record.Steadiness{WarmUp: 1, Verdict: "steady"}}); len(got) != 0 {
		t.Errorf("of a steady row: %q", got)
	}
}

func TestCounted(t *testing.T) {
	for want, c := range map[string]record.Counters{
		"of cpu":                         {PMU: "cpu"},
		"the kernel's own alone; no PMU": {Missing: []string{"no PMU"}},
	} {
		if got := counted(&c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
