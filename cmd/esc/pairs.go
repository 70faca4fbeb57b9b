package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

type pairsFlags struct {
	run   string
	pairs int
	seed  uint64
	quiet bool
}

func newPairsCommand() *cobra.Command {
	var f pairsFlags
	c := &cobra.Command{
		Use:   "selftest",
		Short: "Compare this build with itself, again and again, beside what chance predicts",
		Long: `Compare this build with itself: pairs of quick runs, each by a process of its own,
and esc compare on each pair. How many pairs have a row that is significantly
different stands beside what chance predicts: one in twenty, for that is the chance of any
false alarm that a comparison allows itself. More than that is the host, or what
differs from process to process; for what two builds differ in, esc bench
--against lets many processes take turns.

Exit codes: 0 measured, whatever was found, 2 usage, 3 not measured, 130
interrupted (the pairs until then are printed).`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return comparePairs(c, f) },
	}
	c.Flags().StringVar(&f.run, "run", amortisedRows, "cells to measure")
	c.Flags().IntVar(&f.pairs, "pairs", 20, "pairs of runs")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the order within each pair")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress on stderr")
	return c
}

func comparePairs(c *cobra.Command, f pairsFlags) (err error) {
	if f.pairs < 1 || f.pairs > 1000 {
		return usage("--pairs %d: use 1 to 1000", f.pairs)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := os.MkdirTemp("", "esc-pairs-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	p := &pairs{log: c.ErrOrStderr(), out: c.OutOrStdout()}
	if f.quiet {
		p.log = io.Discard
	}
	t := turns{Contenders: []contender{{Name: "one", Binary: self}, {Name: "other", Binary: self}}, Blocks: f.pairs, Seed: f.seed, Out: out, Log: p.log,
		Args: []string{"--quick", "--run", f.run}, Keep: p.keep}
	return p.finish(c.Context(), t)
}

// pairs compares runs of one build, two at a time.
type pairs struct {
	log, out io.Writer
	runs     [2]record.Run
	done     int      // pairs
	rows     int      // of all pairs
	differ   []string // the significant ones of each pair that has any
	moved    int      // rows whose medians lie further apart than the two runs' own noise
}

func (p *pairs) keep(turn, side int, run record.Run) error {
	p.runs[side] = run
	if turn%2 == 0 {
		return nil
	}
	old, new := judge.SideOf("one", p.runs[0]), judge.SideOf("other", p.runs[1])
	c, err := judge.Compare(old, new, judge.Alpha)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	p.done++
	var found []string
	for _, x := range c.Changes {
		if x.Direction != record.Same {
			found = append(found, fmt.Sprintf("%s %s %+.1f%%", x.Row, x.Unit, 100*(x.Ratio-1)))
		}
	}
	p.rows += len(c.Changes)
	if len(found) > 0 {
		p.differ = append(p.differ, fmt.Sprintf("pair %d: %s", p.done, strings.Join(found, ", ")))
	}
	e, err := judge.DefaultGate().Evidence(old, new, p.runs[1].Fitness, uint64(p.done))
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	for _, x := range e.Comparison.Changes {
		if judge.Apart(x) > e.Bands[judge.Cell{Row: x.Row, Unit: x.Unit}] {
			p.moved++
		}
	}
	return nil
}

func (p *pairs) finish(ctx context.Context, t turns) error {
	began := time.Now()
	err := t.run(ctx, 0)
	if p.done == 0 {
		if ctx.Err() != nil {
			return exit(exitInterrupted, errors.New("interrupted before the first pair"))
		}
		return err
	}
	p.write(time.Since(began).Round(time.Second))
	if ctx.Err() != nil {
		return exit(exitInterrupted, errors.New("interrupted: the pairs are fewer"))
	}
	return err
}

// write prints the pairs that differ, and how many they are.
func (p *pairs) write(took time.Duration) {
	for _, d := range p.differ {
		fmt.Fprintln(p.out, d)
	}
	fmt.Fprintf(p.out, "%d of %d pairs have a significant row; chance predicts %.1f, and %d at most in 95 of 100 (%d rows in all, %v, %s)\n",
		len(p.differ), p.done, float64(p.done)*judge.Alpha, judge.Chance(p.done, judge.Alpha), p.rows, took, p.runs[1].Fitness.Verdict)
	fmt.Fprintf(p.out, "%d rows moved by more than the noise within their two runs\n", p.moved)
}
