package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

func TestGate(t *testing.T) {
	t.Chdir(t.TempDir()) // without a gate.yaml
	degraded, unfit, empty := smallRun("A", 6), smallRun("A", 6), smallRun("A", 6)
	degraded.Fitness.Verdict, unfit.Fitness.Verdict = record.Degraded, record.Unfit
	empty.Rows[0].Workload = "other"
	old, slow, same := writeRun(t, smallRun("A", 5)), writeRun(t, smallRun("A", 6)), writeRun(t, smallRun("A", 5))
	noisy, bad, other, machine := writeRun(t, degraded), writeRun(t, unfit), writeRun(t, empty), writeRun(t, smallRun("B", 5))
	rules := func(text string) string {
		name := filepath.Join(t.TempDir(), "gate.yaml")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	generous := rules("rules:\n  - rows: .\n    require: ns/op +50 %\n")
	absolute := rules("rules:\n  - rows: .\n    require: ns/op <= 5.5\n")
	for _, c := range []struct {
		name string
		args []string
		want string
		code int
	}{
		{"nothing changed", []string{"--new", same}, "gate     PASS", 0},
		{"faster", []string{"--baseline", slow, "--new", old}, "gate     PASS", 0},
		{"slower, confirmed", []string{"--new", slow, "--again", slow}, "gate     FAIL", exitMissed},
		{"slower, not confirmed", []string{"--new", slow, "--again", same}, "gate     PASS", 0},
		{"slower, never measured again", []string{"--new", slow}, "gate     INCONCLUSIVE", 0},
		{"the same, strictly", []string{"--new", slow, "--strict"}, "gate     INCONCLUSIVE", exitUnfit},
		{"slower, allowed", []string{"--new", slow, "--again", slow, "--rules", generous}, "gate     PASS", 0},
		{"slower on a degraded host", []string{"--new", noisy, "--again", noisy}, "not interleaved", 0},
		{"slower on a degraded host, in turns", []string{"--new", noisy, "--again", noisy, "--interleaved"}, "gate     FAIL", exitMissed},
		{"unfit", []string{"--new", bad, "--again", bad}, "gate     UNFIT", exitUnfit},
		{"over an absolute bound", []string{"--new", slow, "--again", slow, "--rules", absolute}, "gate     FAIL", exitMissed},
		{"under an absolute bound", []string{"--new", same, "--rules", absolute}, "gate     PASS", 0},
		{"markdown", []string{"--new", slow, "--again", slow, "--format", "markdown"}, "### Gate: FAIL", exitMissed},
		{"json", []string{"--new", same, "--format", "json"}, `"verdict": "PASS"`, 0},
		{"no row in common", []string{"--new", other}, "", exitUnmeasured},
		{"another machine", []string{"--new", machine}, "", exitUnmeasured},
		{"no results", []string{"--new", t.TempDir()}, "", exitUnmeasured},
		{"no baseline", []string{"--baseline", "", "--new", same}, "", exitUsage},
		{"again without new", []string{"--again", same}, "", exitUsage},
		{"rules that are none", []string{"--new", same, "--rules", rules("rules: []")}, "", exitUsage},
		{"rules that are not there", []string{"--new", same, "--rules", "nowhere.yaml"}, "", exitUsage},
		{"a format that is none", []string{"--new", same, "--format", "xml"}, "", exitUsage},
	} {
		args := append([]string{"--baseline", old}, c.args...)
		out, code, err := execute(newGateCommand(), args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d (%v), want %d; %.400s, want .. %s", c.name, code, err, c.code, out, c.want)
		}
	}
}

// TestForeignLoadIsKnownByItsName: records know probes' checks by name alone.
func TestForeignLoadIsKnownByItsName(t *testing.T) {
	if probes.ForeignLoad != record.ForeignLoad {
		t.Errorf("%q is recorded as %q", probes.ForeignLoad, record.ForeignLoad)
	}
}

func TestOnlyCells(t *testing.T) {
	rows := []string{"Spsc/mode=pair-1", "Pipeline/plan=fused/load=open/rate=100k/lane=realtime/span=whole-way-2", "Pipeline/plan=fused/load=open/rate=100k/lane=realtime/span=received-stored-2", "Tcp-2"}
	got := onlyCells(rows)
	if want := "(?i)^(Spsc/mode=pair|Pipeline/plan=fused/load=open/rate=100k/lane=realtime|Tcp)$"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if chosen := selected(t, got); len(chosen) != 2 || len(chosen[0].Cells(nil)) != 1 || len(chosen[1].Cells(nil)) != 1 {
		t.Errorf("it chooses %v", chosen)
	}
}

// Both builds measured in turns, on a host that is DEGRADED: what is slower is
// found, measured again and fails; the same build against itself passes.
func TestGateAgainst(t *testing.T) {
	rivals(t)
	for _, c := range []struct {
		name string
		args []string
		want string
		code int
	}{
		{"slower", []string{"--against", "fast"}, "confirmed: 0.49", exitMissed},
		{"the same", []string{"--against", "HEAD"}, "gate     PASS", 0},
		{"measured before", []string{"--against", "fast", "--baseline", "results/against", "--new", "results/latest"}, "gate     PASS", 0},
		{"a commit that is none", []string{"--against", "nowhere"}, "", exitUsage},
		{"two baselines", []string{"--against", "fast", "--baseline", "results/against"}, "", exitUsage},
	} {
		out, code, err := execute(newGateCommand(), c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d (%v), want %d; %s, want .. %s", c.name, code, err, c.code, out, c.want)
		}
	}
	nothingLeft(t)
}
