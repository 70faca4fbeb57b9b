package probes

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFitnessOfThisMachine(t *testing.T) {
	f := CheckFitness(os.DirFS("/"), []int{0})
	for _, c := range f.Checks {
		if c.Name == "" || c.Value == "" || c.Source == "" || c.Why == "" || c.Verdict == "" {
			t.Errorf("incomplete: %+v", c)
		}
		t.Logf("%-8s %-24s %-30s %s", c.Verdict, c.Name, c.Value, c.Source)
	}
	t.Log(f.Verdict, strings.Join(f.Reasons(), "\n"))
}

// TestNothingReadableIsNeverOK holds what an empty root must give.
func TestNothingReadableIsNeverOK(t *testing.T) {
	for _, c := range CheckFitness(fstest.MapFS{}, []int{0}).Checks {
		if c.Verdict == Bad || c.Verdict == Warn {
			t.Errorf("an empty root condemns %s: %+v", c.Name, c)
		}
		if c.Verdict == OK {
			t.Errorf("an empty root clears %s: %+v", c.Name, c)
		}
	}
}

func TestNewFitness(t *testing.T) {
	for _, test := range []struct {
		verdicts []Verdict
		want     Fit
	}{
		{nil, FIT},
		{[]Verdict{OK, OK}, FIT},
		{[]Verdict{OK, Unknown}, DEGRADED},
		{[]Verdict{Warn, OK}, DEGRADED},
		{[]Verdict{Bad, Warn, Unknown, OK}, UNFIT},
		{[]Verdict{Unknown, Warn, Bad}, UNFIT},
	} {
		var checks []Check
		for _, v := range test.verdicts {
			checks = append(checks, Check{Name: "n", Value: "v", Verdict: v})
		}
		if f := NewFitness(checks); f.Verdict != test.want {
			t.Errorf("%v: %s, want %s", test.verdicts, f.Verdict, test.want)
		}
	}
}
