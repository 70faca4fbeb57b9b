package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

type gateFlags struct {
	baseline, rules, fresh, again string
	run, out, format              string
	count                         int
	quick, strict, interleaved    bool
}

func newGateCommand() *cobra.Command {
	var f gateFlags
	c := &cobra.Command{
		Use:   "gate --baseline DIR",
		Short: "Fail on a real regression against a baseline, and only on one",
		Long: `Measure, compare with a baseline and fail on a real regression: one that is
significant after Holm's adjustment, exceeds both the rule's threshold and the
host's own noise, and is found again when the row is measured anew.

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
	c.Flags().StringVar(&f.baseline, "baseline", "", "folder of results to hold the new ones against (required)")
	c.Flags().StringVar(&f.rules, "rules", "", "file of rules (default gate.yaml where there is one)")
	c.Flags().StringVar(&f.fresh, "new", "", "folder of the new results, instead of measuring")
	c.Flags().StringVar(&f.again, "again", "", "with --new: folder of a second measurement, to confirm what the first suspects")
	c.Flags().BoolVar(&f.interleaved, "interleaved", false, "with --new: it and the baseline were measured in turns")
	c.Flags().StringVar(&f.run, "run", ".", "measure only what matches this regular expression, as esc bench does")
	c.Flags().StringVar(&f.out, "out", "results", "folder that gets the folders of results")
	c.Flags().IntVar(&f.count, "count", 0, "trials of each cell (default: that of esc bench)")
	c.Flags().BoolVar(&f.quick, "quick", false, "measure briefly")
	c.Flags().BoolVar(&f.strict, "strict", false, "exit 4 when a finding is INCONCLUSIVE")
	c.Flags().StringVar(&f.format, "format", "text", "text, markdown or json")
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
	case f.baseline == "":
		return usage("--baseline is needed: a folder of results to hold the new ones against")
	case f.again != "" && f.fresh == "":
		return usage("--again confirms what --new suspects: give both")
	case !ok:
		return usage("--format %q: use text, markdown or json", f.format)
	}
	rules, err := readRules(f.rules)
	if err != nil {
		return exit(exitUsage, err)
	}
	old, err := reports.Load(f.baseline)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	result, err := f.hold(c.Context(), rules, old, c.ErrOrStderr())
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

// hold measures, or loads what was measured, and holds the rules against it; what
// it suspects it has confirmed.
func (f gateFlags) hold(ctx context.Context, rules judge.Gate, old record.Run, log io.Writer) (record.Gated, error) {
	fresh, err := f.results(ctx, f.fresh, f.run, log)
	if err != nil {
		return record.Gated{}, err
	}
	e, err := f.evidence(rules, old, fresh)
	if err != nil {
		return record.Gated{}, exit(exitUnmeasured, err)
	}
	findings := rules.Hold(e)
	suspects := judge.Suspects(findings)
	switch {
	case len(suspects) == 0:
	case f.fresh != "" && f.again == "":
		findings = judge.Unconfirmed(findings)
	default:
		fmt.Fprintf(log, "to be confirmed: %s\n", strings.Join(suspects, ", "))
		again, err := f.results(ctx, f.again, onlyWorkloads(suspects), log)
		if err != nil {
			return record.Gated{}, err
		}
		second, err := f.evidence(rules, old, again)
		if err != nil {
			return record.Gated{}, exit(exitUnmeasured, err)
		}
		findings = judge.Confirm(findings, rules.Hold(second))
	}
	return rules.Outcome(e, findings), nil
}

// evidence compares fresh with old, beside the noise that their own trials show.
func (f gateFlags) evidence(rules judge.Gate, old, fresh record.Run) (judge.Evidence, error) {
	base, side := judge.SideOf(f.baseline, old), judge.SideOf("new", fresh)
	c, err := judge.Compare(base, side, rules.Alpha)
	if err != nil {
		return judge.Evidence{}, err
	}
	bands := judge.BankOf(old).Noise(noiseBlocks, old.Seed)
	for cell, band := range judge.BankOf(fresh).Noise(noiseBlocks, fresh.Seed) {
		bands[cell] = max(bands[cell], band)
	}
	return judge.Evidence{Comparison: c, New: side, Bands: bands, Host: fresh.Fitness, Interleaved: f.interleaved || judge.Interleaved(base, side)}, nil
}

// noiseBlocks is how many trials a side the noise within a run is taken from; a
// run of fewer than twice so many is halved.
const noiseBlocks = 10

// results is the run in dir, or, without one, a run measured now by a process of
// its own.
func (f gateFlags) results(ctx context.Context, dir, only string, log io.Writer) (record.Run, error) {
	if dir == "" {
		if err := f.bench(ctx, only, log); err != nil {
			return record.Run{}, err
		}
		dir = filepath.Join(f.out, "latest")
	}
	run, err := reports.Load(dir)
	return run, exit(exitUnmeasured, err)
}

// bench runs esc bench. That it finds a target missed is no matter here.
func (f gateFlags) bench(ctx context.Context, only string, log io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"bench", "--run", only, "--out", f.out}
	if f.count > 0 {
		args = append(args, "--count", fmt.Sprint(f.count))
	}
	if f.quick {
		args = append(args, "--quick")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = log
	err = cmd.Run()
	var left *exec.ExitError
	if errors.As(err, &left) && left.ExitCode() == exitMissed {
		return nil
	}
	if left != nil {
		return exit(left.ExitCode(), fmt.Errorf("esc bench did not measure: %w", err))
	}
	return err
}

// onlyWorkloads is a regular expression for the workloads of rows.
func onlyWorkloads(rows []string) string {
	var names []string
	for _, row := range rows {
		name, _, _ := strings.Cut(row, "/")
		if i := strings.LastIndex(name, "-"); i > 0 && name == row { // the -P of a row without parameters
			name = name[:i]
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "(?i)^(" + strings.Join(names, "|") + ")(/|$)"
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
