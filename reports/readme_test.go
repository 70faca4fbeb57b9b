package reports

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eventstreamcore/reports/record"
)

// TestReadmeBenchstat runs the benchstat commands of the README on results of
// here: they must be understood, find rows and warn of nothing.
func TestReadmeBenchstat(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := examplesRun(), examplesRun()
	fresh.Rows[0].Trials = trials(11, 10, record.Value{Unit: "ns/op", Value: 4.2})
	files := strings.NewReplacer("results/against", mustWrite(t, t.TempDir(), old), "results/latest", mustWrite(t, t.TempDir(), fresh))
	flags := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		call, _, _ := strings.Cut(line, "#")
		if !strings.HasPrefix(call, "go tool benchstat ") {
			continue
		}
		words := shellWords(files.Replace(strings.TrimSpace(call)))
		for _, w := range words {
			flags[w] = flags[w] || strings.HasPrefix(w, "-")
		}
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 || !strings.Contains(stdout.String(), "±") {
			t.Errorf("%s: %v %s\n%s", call, err, stderr.String(), stdout.String())
		}
		if strings.Contains(call, "Dedup") && strings.Contains(stdout.String(), "vary") {
			t.Errorf("%s takes rows together that are of different things:\n%s", call, stdout.String())
		}
	}
	for _, f := range []string{"-col", "-row", "-filter"} {
		if !flags[f] {
			t.Errorf("no example of %s", f)
		}
	}
}

// examplesRun is a run with look-ups beside inserts and with two implementations.
func examplesRun() record.Run {
	run := sampleRun()
	row := func(workload string, ns float64, params ...record.Param) record.Row {
		return record.Row{Workload: workload, Params: params, Procs: 1, Trials: trials(uint64(ns), 10, record.Value{Unit: "ns/op", Value: ns})}
	}
	run.Rows = []record.Row{
		row("spsc", 5, record.Param{Key: "mode", Value: "pair"}, record.Param{Key: "impl", Value: "ours"}),
		row("spsc", 38, record.Param{Key: "mode", Value: "pair"}, record.Param{Key: "impl", Value: "chan"}),
		row("dedup", 15, record.Param{Key: "op", Value: "lookup"}, record.Param{Key: "set", Value: "256KiB"}, record.Param{Key: "batch", Value: "1"}),
		row("dedup", 30, record.Param{Key: "op", Value: "insert"}, record.Param{Key: "set", Value: "256KiB"}, record.Param{Key: "batch", Value: "1"}),
		row("dedup", 32, record.Param{Key: "op", Value: "insert"}, record.Param{Key: "set", Value: "256KiB"}, record.Param{Key: "batch", Value: "16"}),
	}
	return run
}

// shellWords splits at spaces outside single quotes.
func shellWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}
