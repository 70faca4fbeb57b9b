package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// steady builds a stand-in of this build and returns its path.
func steady(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "steady")
	if err := os.WriteFile(source, []byte(standIn(100, true)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	build, err := json.Marshal(readBuild())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BUILD", string(build))
	return binary
}

func TestSelftest(t *testing.T) {
	binary := steady(t)
	f := selftestFlags{run: "spsc", bank: t.TempDir(), blocks: 40, trials: 100, seed: 3, limit: time.Nanosecond}
	rules := judge.DefaultGate()
	prove := func() (record.Proof, int) {
		p, err := newBank(f, binary, io.Discard).proof(t.Context(), rules)
		var coded *exitError
		if errors.As(err, &coded) {
			return p, coded.code
		} else if err != nil {
			t.Fatal(err)
		}
		return p, 0
	}
	if _, code := prove(); code != exitUnmeasured {
		t.Errorf("without time: exit %d", code)
	}
	f.limit = time.Minute
	p, code := prove()
	if code != 0 || p.FalseAlarms.Hits != 0 || len(p.Missed) != 0 || len(p.Rows) != 1 || p.Blocks != 40 {
		t.Fatalf("exit %d, %+v", code, p)
	}
	for _, power := range p.Power {
		if found := power.Found.Share(); (power.Slowdown >= 0.1) != (found > 0.95) && power.Slowdown != 0.05 || power.Slowdown < 0.05 && found > 0.05 {
			t.Errorf("%+v", power)
		}
		if off := power.Measured - power.Slowdown; off < -0.01 || off > 0.01 {
			t.Errorf("slowed down by %v, measured %v", power.Slowdown, power.Measured)
		}
	}
	var out strings.Builder
	if err := writeProof(&out, p, "text"); err != nil || !strings.Contains(out.String(), "selftest PASS") {
		t.Errorf("%v: %s", err, out.String())
	}
	again, code := prove() // from the bank alone
	if f.seed++; code != 0 || again.FalseAlarms != p.FalseAlarms {
		t.Errorf("exit %d, %+v", code, again)
	}
	if _, code := prove(); code != exitUsage {
		t.Errorf("a bank of another seed: exit %d", code)
	}
}

func TestSelftestRefuses(t *testing.T) {
	for _, args := range [][]string{{"--run", "("}, {"--run", "nothing"}, {"--blocks", "39"}, {"--trials", "0"}, {"--format", "xml"}, {"--rules", "nowhere.yaml"}} {
		_, code, err := execute(newGateCommand(), append([]string{"selftest"}, args...)...)
		if code != exitUsage || err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: exit %d, %v", args, code, err)
		}
	}
}

// What the self-test takes by default are cells of one thread.
func TestAmortisedRows(t *testing.T) {
	for _, part := range strings.Split(strings.Trim(amortisedRows, "^()"), "|") {
		if part == "" {
			t.Error("an empty alternative matches all")
		}
	}
	cells := 0
	for _, w := range selected(t, amortisedRows) {
		for _, c := range w.Cells(new(workloads.Bench)) {
			if cells++; c.Threads != 1 {
				t.Errorf("%s %v has %d threads", w.Name, c.Params, c.Threads)
			}
		}
	}
	if cells < 10 {
		t.Errorf("%d cells", cells)
	}
}
