package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
)

// block takes one of stand-ins with these arguments.
func block(t *testing.T, args ...[]string) ([]record.Run, error) {
	t.Helper()
	binary, runs := steady(t), []record.Run(nil)
	b := turns{Blocks: 1, Seed: 1, Out: t.TempDir(), Log: io.Discard, Args: []string{"--run", "x"}, Keep: func(_ int, all []record.Run) error {
		runs = all
		return nil
	}}
	for _, a := range args {
		b.Contenders = append(b.Contenders, contender{"stand-in", binary, a})
	}
	err := b.run(t.Context(), 0)
	if left, listing := os.ReadDir(b.Out); listing != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, listing)
	}
	return runs, err
}

// Each has as many trials of what both have, and what only one has is measured too.
func TestTogether(t *testing.T) {
	runs, err := block(t, []string{"--more"}, nil)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if more, both := len(runs[0].Rows[0].Trials), len(runs[1].Rows[0].Trials); more != 8 || both != 4 {
		t.Errorf("%d and %d trials", more, both)
	}
}

// A process that ends in the middle is an error, with what it said and its code.
func TestTogetherLoses(t *testing.T) {
	t.Setenv("DIES", "yes")
	_, err := block(t, nil, nil)
	var coded *exitError
	if !errors.As(err, &coded) || coded.code != exitUnmeasured || !strings.Contains(err.Error(), "no room") {
		t.Errorf("%v", err)
	}
}

// Runs that did not look at the host share what others found; one that lost its own
// ruler keeps that.
func TestTurnsShareTheHost(t *testing.T) {
	looked, blind, lost := record.Run{}, record.Run{}, record.Run{}
	looked.Fitness.Verdict, lost.Fitness.Verdict = record.Degraded, record.Unfit
	runs, b := []record.Run{looked, blind, lost}, turns{}
	b.share(runs)
	if runs[1].Fitness.Verdict != record.Degraded || runs[2].Fitness.Verdict != record.Unfit {
		t.Errorf("%+v", runs)
	}
	later := []record.Run{{}, {}}
	if b.share(later); later[0].Fitness.Verdict != record.Degraded {
		t.Errorf("after a ruler failed once the host is %q for good", later[0].Fitness.Verdict)
	}
}
