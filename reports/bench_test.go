package reports

import (
	"bytes"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"eventstreamcore/reports/record"
)

func TestBench(t *testing.T) {
	var b bytes.Buffer
	if err := Bench(&b, sampleRun()); err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.txt", b.Bytes())
}

// What is written reads back: every valid trial, nothing else, no syntax error.
func TestBenchReadsBack(t *testing.T) {
	run := sampleRun()
	want := map[string]int{}
	for _, row := range run.Rows {
		want[row.Benchmark()] += len(row.Valid())
	}
	delete(want, "Pool/node=remote-1") // skipped: no trials
	var b bytes.Buffer
	if err := Bench(&b, run); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	r := benchfmt.NewReader(&b, "bench.txt")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			got[string(rec.Name)]++
			for _, v := range rec.Values {
				if !(v.Value > 0) || math.IsInf(v.Value, 0) {
					t.Errorf("%s: %v %s", rec.Name, v.Value, v.Unit)
				}
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %d lines, want %d", name, got[name], n)
		}
	}
}

func TestBenchClampsAndLeavesOut(t *testing.T) {
	run := record.Run{Clock: record.Clock{ResolutionNs: 9.5}, Rows: []record.Row{{Workload: "odd name", Trials: []record.Trial{{
		N: 0, Values: []record.Value{{Unit: "p50-ns", Value: 0}, {Unit: "lost", Value: 0}, {Unit: "a/s", Value: math.NaN()}, {Unit: "b/s", Value: math.Inf(1)}},
	}}}}}
	var b bytes.Buffer
	if err := Bench(&b, run); err != nil {
		t.Fatal(err)
	}
	if want := "BenchmarkOdd_name-1 1 9.5 p50-ns\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("%q, want .. %q", b.String(), want)
	}
}

// benchstat reads the file as it is meant to be read: no warning, times in
// seconds, every row in one table for each unit.
func TestBenchstat(t *testing.T) {
	dir := mustWrite(t, t.TempDir(), sampleRun())
	cmd := exec.Command("go", "tool", "benchstat", filepath.Join(dir, "bench.txt"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if stderr.Len() > 0 {
		t.Errorf("benchstat warns: %s", stderr.String())
	}
	text := string(stdout)
	for _, want := range []string{"Spsc-1", "Dedup/set=512MiB/op=insert-1", "Pipeline/rate=200000-2", "Tcp/size=78-2", "Mpsc/producers=4-5", "sec/op", "p99-sec", "p50-sec", "events/s", "B/s"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, bad := range []string{"¹", "need >=", "p99-ns", "warning"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q in\n%s", bad, text)
		}
	}
	if n := strings.Count(text, "│ "+"sec/op"); n > 1 {
		t.Errorf("%d tables of sec/op: the configuration splits them\n%s", n, text)
	}
}
