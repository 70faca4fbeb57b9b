package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

type selftestFlags struct {
	run, rules, bank, format string
	blocks, trials           int
	seed                     uint64
	limit                    time.Duration
	quiet                    bool
}

// amortisedRows are cells of one thread whose operations are amortised over
// loops, and that are ready soon: what can be slowed down by a known share.
const amortisedRows = `^(spsc/mode=(pair|batch)|mpsc/mode=pair|pool/op=acquire|dedup/.*set=(16|256)KiB|parse/|dispatch/)`

// slowdowns are the shares by which rows are made slower.
var slowdowns = []float64{0.02, 0.05, 0.10, 0.25}

func newSelftestCommand() *cobra.Command {
	f := selftestFlags{}
	c := &cobra.Command{
		Use:   "selftest",
		Short: "Measure how often the gate cries wolf, and what it misses",
		Long: `Measure how often the gate cries wolf on this host, and what it misses. This
build takes turns with itself as builds do that are compared, in blocks of fresh
processes: as it is, twice, and with every row slowed down on purpose by 2, 5, 10
and 25 %, by operations in the very loops that are measured. What each process
measured over the first of its block is a bank, from which the gate is then tried,
as it is used: each trial draws 20 pairs, applies the rules, and confirms what it
suspects by 20 others. Trials without a slowdown give the rate of false alarms,
those with one row slowed down the power; both are printed with exact 95 %
intervals. Trials share the pairs of the bank, which the intervals know nothing of.

With --bank the runs are kept, and a call that was interrupted or that ran into
--limit goes on where it ended.

Exit codes: 0 at most 1 false alarm in 300, and a slowdown of 10 % found in at
least 95 of 100 trials; 1 not; 2 usage; 3 too few runs; 4 not, and the host was
unfit; 130 interrupted.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return selftest(c, f) },
	}
	c.Flags().StringVar(&f.run, "run", amortisedRows, "cells to try it on, amortised ones of one thread")
	c.Flags().StringVar(&f.rules, "rules", "", "file of rules (default: no row more than 5 % worse)")
	c.Flags().StringVar(&f.bank, "bank", "", "folder that keeps the runs")
	c.Flags().IntVar(&f.blocks, "blocks", 48, "blocks of processes, 40 or more")
	c.Flags().IntVar(&f.trials, "trials", 300, "trials of the gate for each figure")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the order and of the draws")
	c.Flags().DurationVar(&f.limit, "limit", 15*time.Minute, "measure for so long at most")
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress on stderr")
	return c
}

func (f selftestFlags) validate() error {
	name, err := regexp.Compile(f.run)
	if err != nil {
		return usage("--run %q: %v", f.run, err)
	}
	chosen, err := workloads.Select(new(workloads.Bench), name)
	switch {
	case err != nil:
		return err
	case len(chosen) == 0:
		return usage("--run %q matches no cell: esc bench --list shows them", f.run)
	case f.blocks < 2*judge.DuetPairs || f.blocks > 1000:
		return usage("--blocks %d: use %d to 1000", f.blocks, 2*judge.DuetPairs)
	case f.trials < 1 || f.trials > 100_000:
		return usage("--trials %d: use 1 to 100000; 300 are needed to show a rate of 1 %%", f.trials)
	case f.format != "text" && f.format != "json":
		return usage("--format %q: use text or json", f.format)
	}
	return nil
}

func selftest(c *cobra.Command, f selftestFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	rules := judge.DefaultGate()
	if f.rules != "" {
		parsed, err := readRules(f.rules)
		if err != nil {
			return exit(exitUsage, err)
		}
		rules = parsed
	}
	progress := c.ErrOrStderr()
	if f.quiet {
		progress = io.Discard
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	proof, err := newBank(f, self, progress).proof(c.Context(), rules)
	if err != nil {
		return err
	}
	if err := writeProof(c.OutOrStdout(), proof, f.format); err != nil {
		return err
	}
	switch {
	case len(proof.Missed) == 0:
		return nil
	case proof.Fitness.Verdict == record.Unfit:
		return exit(exitUnfit, errors.New("the gate does not reach its targets on this host, which is unfit"))
	}
	return exit(exitMissed, errors.New("the gate does not reach its targets on this host"))
}

func writeProof(w io.Writer, p record.Proof, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(p)
	}
	width, color := reports.Terminal(os.Stdout)
	return reports.ProofTable(w, p, width, color)
}
