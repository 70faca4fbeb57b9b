package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func TestOnlyWorkloads(t *testing.T) {
	got := onlyWorkloads([]string{"Spsc/mode=pair-1", "Spsc/mode=cross/batch=1-2", "Tcp-2"})
	if want := "(?i)^(Spsc|Tcp)(/|$)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
