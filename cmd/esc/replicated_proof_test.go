package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"eventstreamcore/reports"
)

// TestProofReplicatedWorkload runs the workload as a user would: its rows are
// there, each stands over its floor, and no event was lost or stored twice.
func TestProofReplicatedWorkload(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("it starts clusters, a minute long: set ESC_PROOFS=1")
	}
	dir := t.TempDir()
	esc := filepath.Join(dir, "esc") // which starts itself
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", esc, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out := filepath.Join(dir, "results")
	printed, err := exec.Command(esc, "bench", "--run", "^replicated/level=replicated/load=(closed/open=2048|open)", "--count", "1", "--out", out).CombinedOutput()
	if err != nil && !fellBehind.Match(printed) {
		t.Fatalf("%v: %s", err, printed)
	}
	run, err := reports.Load(filepath.Join(out, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range run.Rows {
		for _, trial := range row.Trials {
			if trial.Invalid != "" && !fellBehind.MatchString(trial.Invalid) {
				t.Errorf("%s: %s", row.Name(), trial.Invalid)
			}
		}
		if len(row.Valid()) > 0 && row.Floor == nil {
			t.Errorf("%s has no floor", row.Name())
		}
		t.Logf("%s: %v", row.Name(), row.Trials[0].Values)
	}
	if len(run.Rows) != 2 {
		t.Errorf("%d rows", len(run.Rows))
	}
}
