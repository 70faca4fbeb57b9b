package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

type gateFlags struct {
	baseline, rules, fresh, again string
	against, run, out, format     string
	count                         int
	quick, strict, interleaved    bool
}

func newGateCommand() *cobra.Command {
	var f gateFlags
	c := &cobra.Command{
		Use:   "gate --baseline DIR | --against REF",
		Short: "Fail on a real regression against a baseline, and only on one",
		Long: `Measure, compare with a baseline and fail on a real regression: one that is
significant after Holm's adjustment, exceeds both the rule's threshold and the
host's own noise, and is found again when the row is measured anew.

The baseline is a folder of results, or another commit: with --against REF both
builds are measured in turns, as esc bench --against does, which is the way on a
host that is not FIT. With --new and --baseline, folders of an esc bench --against
from before, only what they make suspect is measured.

Rules stand in gate.yaml:

  rules:
    - rows: ^(Spsc|Pool)/      # a regular expression on names as in bench.txt
      require: ns/op +5 %      # may rise by 5 %; for rates: events/s -5 %
    - rows: lane=realtime
      require: p99-ns <= 2000  # absolute; inconclusive on a host that is not FIT

Without that file no row may become more than 5 % worse.

Exit codes: 0 passed, 1 regression, 2 usage, 3 nothing to compare or a row is
missing, 4 the host is unfit (with --strict: or a finding is inconclusive).`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return gate(c, f) },
	}
	c.Flags().StringVar(&f.baseline, "baseline", "", "folder of results to hold the new ones against")
	c.Flags().StringVar(&f.against, "against", "", "branch, tag or commit to measure in turns with this checkout, instead")
	c.Flags().StringVar(&f.rules, "rules", "", "file of rules (default gate.yaml where there is one)")
	c.Flags().StringVar(&f.fresh, "new", "", "folder of the new results, instead of measuring")
	c.Flags().StringVar(&f.again, "again", "", "with --new: folder of a second measurement, to confirm what the first suspects")
	c.Flags().BoolVar(&f.interleaved, "interleaved", false, "with --new: it and the baseline were measured in turns")
	c.Flags().StringVar(&f.run, "run", ".", "measure only what matches this regular expression, as esc bench does")
	c.Flags().StringVar(&f.out, "out", "results", "folder that gets the folders of results")
	c.Flags().IntVar(&f.count, "count", 0, "trials of each cell, with --against processes of each build (default: that of esc bench)")
	c.Flags().BoolVar(&f.quick, "quick", false, "measure briefly")
	c.Flags().BoolVar(&f.strict, "strict", false, "exit 4 when a finding is INCONCLUSIVE")
	c.Flags().StringVar(&f.format, "format", "text", "text, markdown or json")
	c.AddCommand(newSelftestCommand())
	return c
}

// gated writes what a gate came to, in each form.
var gated = map[string]func(io.Writer, record.Gated) error{
	"text": func(w io.Writer, g record.Gated) error {
		width, color := reports.Terminal(os.Stdout)
		return reports.GatedTable(w, g, width, color)
	},
	"markdown": reports.MarkdownGate,
	"json": func(w io.Writer, g record.Gated) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(g)
	},
}

func gate(c *cobra.Command, f gateFlags) error {
	write, ok := gated[f.format]
	switch {
	case f.baseline == "" && (f.against == "" || f.fresh != ""):
		return usage("--baseline is needed: a folder of results to hold the new ones against (or --against, a commit)")
	case f.baseline != "" && f.against != "" && f.fresh == "":
		return usage("--baseline and --against: with both, --new is what was measured with the baseline")
	case f.again != "" && f.fresh == "":
		return usage("--again confirms what --new suspects: give both")
	case !ok:
		return usage("--format %q: use text, markdown or json", f.format)
	}
	if err := given(c, f.count); err != nil {
		return err
	}
	if _, err := regexp.Compile(f.run); err != nil {
		return usage("--run %q: %v", f.run, err)
	}
	rules, err := readRules(f.rules)
	if err != nil {
		return exit(exitUsage, err)
	}
	if f.baseline != "" { // what is not there is said before minutes of measuring
		if _, err := reports.Load(f.baseline); err != nil {
			return exit(exitUnmeasured, err)
		}
	}
	result, err := f.hold(c.Context(), rules, c.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := write(c.OutOrStdout(), result); err != nil {
		return err
	}
	return gateError(result, f.strict)
}

// readRules reads the rules of name; without a name those of gate.yaml, or the
// default ones where that is not there.
func readRules(name string) (judge.Gate, error) {
	chosen := name
	if chosen == "" {
		chosen = "gate.yaml"
	}
	text, err := os.ReadFile(chosen)
	if errors.Is(err, os.ErrNotExist) && name == "" {
		return judge.DefaultGate(), nil
	}
	if err != nil {
		return judge.Gate{}, fmt.Errorf("rules: %w", err)
	}
	return judge.ParseGate(chosen, text)
}

// pair is two runs that are held against each other.
type pair struct {
	old, fresh record.Run
}

// hold measures, or loads what was measured, and holds the rules against it; what
// it suspects it has confirmed.
func (f gateFlags) hold(ctx context.Context, rules judge.Gate, log io.Writer) (record.Gated, error) {
	first, err := f.measured(ctx, f.fresh, f.run, log)
	if err != nil {
		return record.Gated{}, err
	}
	e, err := f.evidence(rules, first)
	if err != nil {
		return record.Gated{}, exit(exitUnmeasured, err)
	}
	findings := rules.Hold(e)
	suspects := judge.Suspects(findings)
	switch {
	case len(suspects) == 0:
	case f.fresh != "" && f.again == "" && f.against == "":
		findings = judge.Unconfirmed(findings)
	default:
		fmt.Fprintf(log, "to be confirmed: %s\n", strings.Join(suspects, ", "))
		again, err := f.measured(ctx, f.again, onlyCells(suspects), log)
		if err != nil {
			return record.Gated{}, err
		}
		second, err := f.evidence(rules, again)
		if err != nil {
			return record.Gated{}, exit(exitUnmeasured, err)
		}
		findings = judge.Confirm(findings, rules.Hold(second))
	}
	return rules.Outcome(e, findings), nil
}

func (f gateFlags) evidence(rules judge.Gate, p pair) (judge.Evidence, error) {
	e, err := rules.Evidence(judge.SideOf("old", p.old), judge.SideOf("new", p.fresh), p.fresh.Fitness, p.fresh.Seed)
	e.Interleaved = e.Interleaved || f.interleaved
	return e, err
}

// measured is the run in dir beside the baseline. Without one it is measured now:
// both builds in turns, or this build in a process of its own.
func (f gateFlags) measured(ctx context.Context, dir, only string, log io.Writer) (p pair, err error) {
	base := f.baseline
	switch {
	case dir != "":
	case f.against != "":
		if base, dir, err = f.turns(ctx, only, log); err != nil {
			return p, err
		}
	default:
		if err := f.bench(ctx, only, log); err != nil {
			return p, err
		}
		dir = filepath.Join(f.out, "latest")
	}
	if p.old, err = reports.Load(base); err == nil {
		p.fresh, err = reports.Load(dir)
	}
	return p, exit(exitUnmeasured, err)
}

// turns is what esc bench --against does.
func (f gateFlags) turns(ctx context.Context, only string, log io.Writer) (base, fresh string, err error) {
	b := benchFlags{against: f.against, run: only, out: f.out, count: f.count, quick: f.quick}
	if err := b.defaults(); err != nil {
		return "", "", err
	}
	dirs, err := measureAgainst(ctx, b, log)
	return dirs[oldSide], dirs[newSide], err
}

// bench runs esc bench in a process of its own.
func (f gateFlags) bench(ctx context.Context, only string, log io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"--run", only, "--out", f.out}
	if f.count > 0 {
		args = append(args, "--count", fmt.Sprint(f.count))
	}
	if f.quick {
		args = append(args, "--quick")
	}
	return benchProcess(ctx, self, args, log)
}

// threadsAndSpan is what the name of a row has beyond that of its cell.
var threadsAndSpan = regexp.MustCompile(`(/span=[^/]*)?-[0-9]+$`)

// onlyCells is a regular expression for the cells that rows are of.
func onlyCells(rows []string) string {
	var names []string
	for _, row := range rows {
		name := regexp.QuoteMeta(threadsAndSpan.ReplaceAllString(row, ""))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "(?i)^(" + strings.Join(names, "|") + ")$"
}

// gateError is the exit code that a gate's verdict earns.
func gateError(g record.Gated, strict bool) error {
	switch {
	case g.Verdict == record.Fail:
		return exit(exitMissed, errors.New("a regression, confirmed"))
	case g.Verdict == record.NotMeasured:
		return exit(exitUnmeasured, errors.New("not everything that is gated could be measured"))
	case g.Verdict == record.Unfit:
		return exit(exitUnfit, errors.New("the host is unfit: nothing can be concluded"))
	case g.Verdict == record.Inconclusive && strict:
		return exit(exitUnfit, errors.New("inconclusive on this host"))
	}
	return nil
}
