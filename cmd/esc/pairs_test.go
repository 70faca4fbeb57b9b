package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// Of two pairs of which one differs, one is counted and named; on a host that is not
// FIT nothing is said of it.
func TestComparePairs(t *testing.T) {
	for _, c := range []struct {
		host  string
		wants []string
	}{
		{record.Fit, []string{"pair 2: Spsc-1 ns/op +20.0% worse", "1 of 2 pairs have a row said to be better or worse; chance predicts 0.1, and 1 at most", "1 of 2 have a row that differs"}},
		{record.Degraded, []string{"pair 2: Spsc-1 ns/op +20.0% INCONCLUSIVE", "0 of 2 pairs have a row said", "1 of 2 have a row that differs"}},
	} {
		var out bytes.Buffer
		p := &pairs{log: io.Discard, out: &out}
		on := func(ns float64) record.Run {
			run := smallRun("A", ns)
			run.Fitness.Verdict = c.host
			return run
		}
		for pair, ns := range []float64{5, 6} {
			if err := p.keep(pair, []record.Run{on(5), on(ns)}); err != nil {
				t.Fatal(err)
			}
		}
		p.write(time.Second)
		for _, want := range c.wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %s, want .. %s", c.host, out.String(), want)
			}
		}
		if strings.Contains(out.String(), "several CPUs") {
			t.Errorf("%s: there is no row over several CPUs: %s", c.host, out.String())
		}
		if err := p.keep(2, []record.Run{on(5), {}}); err == nil {
			t.Error("runs with nothing in common are compared")
		}
	}
}

// A row over two CPUs that left its noise has changed on a FIT host, and on another
// one nothing is said of it.
func TestComparePairsAcross(t *testing.T) {
	for host, want := range map[string]crossing{record.Fit: {within: 1, claimed: 1}, record.Degraded: {within: 1, unsaid: 1}} {
		p := &pairs{log: io.Discard, out: io.Discard}
		for pair, ns := range []float64{5, 6} {
			runs := []record.Run{smallRun("A", 5), smallRun("A", ns)}
			for i := range runs {
				runs[i].Fitness.Verdict, runs[i].Rows[0].Procs = host, 2
			}
			if err := p.keep(pair, runs); err != nil {
				t.Fatal(err)
			}
		}
		if p.across != want {
			t.Errorf("%s: %+v, want %+v", host, p.across, want)
		}
	}
}

// TestComparePairsMeasures takes two pairs by way of a stand-in.
func TestComparePairsMeasures(t *testing.T) {
	var out bytes.Buffer
	p := &pairs{log: io.Discard, out: &out}
	binary := steady(t)
	err := p.finish(t.Context(), turns{Contenders: []contender{{Name: "one", Binary: binary}, {Name: "other", Binary: binary}},
		Apart: true, Blocks: 2, Seed: 1, Out: t.TempDir(), Log: io.Discard, Args: []string{"--run", "x"}, Keep: p.keep})
	if err != nil || !strings.Contains(out.String(), "of 2 pairs") {
		t.Errorf("%v: %s", err, out.String())
	}
	if _, code, _ := execute(newCompareCommand(), "selftest", "--pairs", "0"); code != exitUsage {
		t.Errorf("no pairs: exit %d", code)
	}
}
