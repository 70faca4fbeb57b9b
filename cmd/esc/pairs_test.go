package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// Of two pairs of which one differs, one is counted, named, and found to have
// moved; the other is not.
func TestComparePairs(t *testing.T) {
	var out bytes.Buffer
	p := &pairs{log: io.Discard, out: &out}
	for turn, ns := range []float64{5, 5, 5, 6} {
		if err := p.keep(turn, turn%2, smallRun("A", ns)); err != nil {
			t.Fatal(err)
		}
	}
	p.write(time.Second)
	for _, want := range []string{"pair 2: Spsc-1 ns/op +20.0%", "1 of 2 pairs have a significant row; chance predicts 0.1, and 1 at most", "1 rows moved"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s, want .. %s", out.String(), want)
		}
	}
	if err := p.keep(4, 0, smallRun("A", 5)); err != nil {
		t.Fatal(err)
	}
	if err := p.keep(5, 1, record.Run{}); err == nil {
		t.Error("runs with nothing in common are compared")
	}
}

// TestComparePairsMeasures takes two pairs by way of a stand-in.
func TestComparePairsMeasures(t *testing.T) {
	var out bytes.Buffer
	p := &pairs{log: io.Discard, out: &out}
	binary := steady(t)
	err := p.finish(t.Context(), turns{Contenders: []contender{{Name: "one", Binary: binary}, {Name: "other", Binary: binary}},
		Blocks: 2, Seed: 1, Out: t.TempDir(), Log: io.Discard, Args: []string{"--run", "x"}, Keep: p.keep})
	if err != nil || !strings.Contains(out.String(), "of 2 pairs") {
		t.Errorf("%v: %s", err, out.String())
	}
	if _, code, _ := execute(newCompareCommand(), "selftest", "--pairs", "0"); code != exitUsage {
		t.Errorf("no pairs: exit %d", code)
	}
}
