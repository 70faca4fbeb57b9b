package reports

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// A folder and the bench.txt in it are the same side, multiples of floors apart.
func TestLoadSide(t *testing.T) {
	dir := mustWrite(t, t.TempDir(), sampleRun())
	folder, err := LoadSide(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := LoadSide(filepath.Join(dir, "bench.txt"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := judge.Compare(folder, file, judge.Alpha)
	if err != nil || len(c.Changes) == 0 {
		t.Fatal(err)
	}
	for _, x := range c.Changes {
		if x.Ratio != 1 || x.Direction != record.Same || x.Old.N != x.New.N {
			t.Errorf("%+v", x)
		}
	}
	for _, m := range c.Missing {
		if !strings.HasSuffix(m, " in x-floor") {
			t.Errorf("only the folder has %s", m)
		}
	}
}

func TestLoadSideRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"empty.txt": {"", "no benchmark line"},
		"prose.txt": {"hello\n", "no benchmark line"},
		"two.txt":   {"cpu: A\nBenchmarkX-1 1 5 ns/op\ncpu: B\nBenchmarkX-1 1 5 ns/op\n", "two machines"},
		"cut.txt":   {"BenchmarkX-1 1 5\n", "cut.txt:1"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadSide(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want .. %s", name, err, c.want)
		}
	}
	if _, err := LoadSide(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("nothing is no side")
	}
}

// Every p-value is benchstat's own.
func TestCompareAsBenchstatDoes(t *testing.T) {
	slow := sampleRun()
	for i := range slow.Rows[0].Trials {
		slow.Rows[0].Trials[i].Values[0].Value *= 1 + 0.002*float64(i%4)
		slow.Rows[1].Trials[i].Values[0].Value *= 1.004
		slow.Rows[3].Trials[i].Values[1].Value *= 0.99
	}
	root := t.TempDir()
	a, b := filepath.Join(mustWrite(t, root, sampleRun()), "bench.txt"), filepath.Join(mustWrite(t, root, slow), "bench.txt")
	out, err := exec.Command("go", "tool", "benchstat", a, b).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]int{}
	for _, m := range regexp.MustCompile(`p=(\d\.\d{3}) n=`).FindAllStringSubmatch(string(out), -1) {
		theirs[m[1]]++
	}
	old, err := LoadSide(a)
	if err != nil {
		t.Fatal(err)
	}
	new, err := LoadSide(b)
	if err != nil {
		t.Fatal(err)
	}
	c, err := judge.Compare(old, new, judge.Alpha)
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]int{}
	for _, x := range c.Changes {
		ours[times3(x.P)]++
	}
	if len(theirs) < 3 {
		t.Fatalf("%d different p-values show little:\n%s", len(theirs), out)
	}
	for p, n := range theirs {
		if ours[p] != n && p != "1.000" { // benchstat tests rows that are judged oversubscribed too
			t.Errorf("p=%s: %d times there, %d here\n%s", p, n, ours[p], out)
		}
	}
}
