package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

var github = filepath.Join("..", "..", ".github")

// workflow is what matters of a file under .github/workflows.
type workflow struct {
	On   any `yaml:"on"`
	Jobs map[string]struct {
		RunsOn string            `yaml:"runs-on"`
		Env    map[string]string `yaml:"env"`
		Steps  []step            `yaml:"steps"`
	} `yaml:"jobs"`
}

type step struct {
	Uses string `yaml:"uses"`
	Run  string `yaml:"run"`
}

// TestWorkflow holds the commands of bench.yml against the program: subcommands
// and flags that there are, rows that there are, rules that cover them.
func TestWorkflow(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(github, "workflows", "bench.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	job, calls := w.Jobs["gate"], [][]string(nil)
	for _, step := range job.Steps {
		for line := range strings.Lines(step.Run) {
			if call, ok := strings.CutPrefix(strings.TrimSpace(line), "bin/esc "); ok {
				calls = append(calls, strings.Fields(call))
			}
		}
	}
	var names []string
	for _, call := range calls {
		names = append(names, call[0])
		mustParse(t, call)
	}
	if want := []string{"bench", "compare", "gate"}; !slices.Equal(names, want) {
		t.Errorf("it calls %q, want %q", names, want)
	}
	uses := func(action string) bool {
		return slices.ContainsFunc(job.Steps, func(s step) bool { return strings.HasPrefix(s.Uses, action) })
	}
	if w.On == nil || job.RunsOn == "" || !uses("actions/checkout@") || !uses("actions/upload-artifact@") {
		t.Errorf("%+v", w)
	}
	checkRules(t, job.Env["ROWS"])
}

// mustParse wants the flags of a call to be those of its command.
func mustParse(t *testing.T, call []string) {
	t.Helper()
	root := newRoot()
	c, rest, err := root.Find(call)
	if err != nil || c == root {
		t.Errorf("esc %s: %v", call[0], err)
		return
	}
	for i, word := range rest { // up to where the shell takes over
		if word == ">" || word == ">>" || word == "||" {
			rest = rest[:i]
			break
		}
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%q: %v", call, err)
	}
	c.Flags().Visit(func(f *pflag.Flag) { t.Logf("esc %s --%s %s", c.Name(), f.Name, f.Value) })
}

// selected is the workloads with the cells that match.
func selected(t *testing.T, name string) []workloads.Workload {
	t.Helper()
	b, _, err := new(benchFlags).bench()
	if err != nil {
		t.Skip(err)
	}
	if len(b.Allowed) < 2 {
		t.Skip("one CPU: not every cell is there")
	}
	chosen, err := workloads.Select(b, regexp.MustCompile(name))
	if err != nil {
		t.Fatal(err)
	}
	return chosen
}

// checkRules wants each rule of gate.yaml to cover a row that is measured.
func checkRules(t *testing.T, rows string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(github, "gate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := judge.ParseGate("gate.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range selected(t, rows) {
		for _, c := range w.Cells(new(workloads.Bench)) {
			row := record.Row{Workload: w.Name, Params: c.Params, Procs: c.Threads}
			names = append(names, row.Benchmark())
			row.Params = append(row.Params, record.Param{Key: "span", Value: "received-stored"})
			names = append(names, row.Benchmark())
		}
	}
	for _, r := range rules.Rules {
		if !slices.ContainsFunc(names, r.Rows.MatchString) {
			t.Errorf("the rule on %s covers none of the rows that are measured", r.Rows)
		}
	}
}
