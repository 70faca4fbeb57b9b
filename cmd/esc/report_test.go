package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
)

// execute runs a command and returns what it printed and its exit code.
func execute(c *cobra.Command, args ...string) (stdout string, code int, err error) {
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exit(exitUsage, err) })
	err = c.Execute()
	return out.String(), exitCode(err), err
}

// smallRun is a run of one row around ns.
func smallRun(cpu string, ns float64) record.Run {
	row := record.Row{Workload: "spsc", Procs: 1}
	for i := range 10 {
		row.Trials = append(row.Trials, record.Trial{N: 1000, Values: []record.Value{{Unit: "ns/op", Value: ns * (1 + float64(i)/1000)}}})
	}
	return record.Run{Schema: record.Schema, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Host: record.Host{Name: "test", OS: "linux", Arch: "amd64", CPU: cpu, Nodes: 1}, Fitness: record.Fitness{Verdict: record.Fit}, Rows: []record.Row{row}}
}

func writeRun(t *testing.T, run record.Run) string {
	t.Helper()
	dir, err := reports.Write(t.TempDir(), run)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReport(t *testing.T) {
	dir := writeRun(t, smallRun("A", 5))
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{dir}, filepath.Join(dir, "report.html"), 0},
		{[]string{dir, dir}, filepath.Join(dir, "comparison.html"), 0},
		{[]string{"--format", "text", dir}, "fitness  FIT", 0},
		{[]string{"--format", "text", dir, dir}, "changes  0 better", 0},
		{[]string{"--format", "markdown", dir}, "### Verdicts", 0},
		{[]string{"--format", "json", dir}, `"schema": 1`, 0},
		{[]string{"--format", "csv", dir}, "Spsc-1,spsc,", 0},
		{[]string{"--format", "action-smaller", dir}, `"name": "Spsc-1 ns/op"`, 0},
		{[]string{"--format", "action-bigger", dir}, "[]", 0},
		{[]string{"--schema"}, "json-schema.org", 0},
		{[]string{"--format", "pdf", dir}, "", exitUsage},
		{[]string{"--nonsense"}, "", exitUsage},
		{[]string{filepath.Join(dir, "plots")}, "", exitUnmeasured},
	} {
		out, code, err := execute(newReportCommand(), c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("report %q: exit %d (%v), want %d; %.300q, want .. %q", c.args, code, err, c.code, out, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("report %q: more than a line: %v", c.args, err)
		}
	}
}

func TestReportOut(t *testing.T) {
	dir, out := writeRun(t, smallRun("A", 5)), filepath.Join(t.TempDir(), "page.html")
	if _, code, err := execute(newReportCommand(), "--out", out, dir); code != 0 {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out); err != nil || !bytes.HasPrefix(text, []byte("<!DOCTYPE html>")) {
		t.Errorf("%.40s %v", text, err)
	}
	if _, code, _ := execute(newReportCommand(), "--out", filepath.Join(dir, "nowhere", "page.html"), dir); code == 0 {
		t.Error("an unwritable file is no error")
	}
	entries, err := os.ReadDir(filepath.Dir(out))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestCompare(t *testing.T) {
	old, slow, other := writeRun(t, smallRun("A", 5)), writeRun(t, smallRun("A", 6)), writeRun(t, smallRun("B", 6))
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{old, slow}, "worse", 0},
		{[]string{slow, old}, "better", 0},
		{[]string{old, filepath.Join(slow, "bench.txt")}, "worse", 0},
		{[]string{"--format", "markdown", old, slow}, "| worse |", 0},
		{[]string{"--format", "json", old, slow}, `"direction": "worse"`, 0},
		{[]string{old, other}, "", exitUnmeasured},
		{[]string{"--across", old, other}, "", exitUnmeasured}, // neither has a floor
		{[]string{old, empty}, "", exitUnmeasured},
		{[]string{old}, "", exitUsage},
		{[]string{"--alpha", "2", old, slow}, "", exitUsage},
		{[]string{"--format", "xml", old, slow}, "", exitUsage},
	} {
		out, code, err := execute(newCompareCommand(), c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("compare %q: exit %d (%v), want %d; %.300q, want .. %q", slices.Clone(c.args), code, err, c.code, out, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("compare %q: more than a line: %v", c.args, err)
		}
	}
}
