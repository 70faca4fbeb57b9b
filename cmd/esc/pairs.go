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
and esc compare on each pair. How many pairs have a row that is said to be better or
worse stands beside what chance predicts: one in twenty, for that is the chance of any
false alarm that a comparison allows itself. On a host that is not FIT nothing is
said of runs that took no turns: what differs significantly there is INCONCLUSIVE,
and is counted too. Of rows over several CPUs (--run '/mode=cross/') it counts how many
stayed, from the one run to the other, within the noise that these show.

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
	t := turns{Contenders: []contender{{Name: "one", Binary: self}, {Name: "other", Binary: self}}, Apart: true, Blocks: f.pairs, Seed: f.seed, Out: out, Log: p.log,
		Args: []string{"--quick", "--run", f.run}, Keep: p.keep}
	return p.finish(c.Context(), t)
}

// pairs compares runs of one build, two at a time.
type pairs struct {
	log, out io.Writer
	host     string // its fitness
	done     int    // pairs
	rows     int    // of all pairs
	differ   []string
	claimed  int // pairs with a row that is said to be better or worse
	across   crossing
}

// crossing counts rows over several CPUs by where the second run found them.
type crossing struct{ within, unsaid, claimed int }

func (p *pairs) keep(_ int, runs []record.Run) error {
	one, other := judge.SideOf("one", runs[0]), judge.SideOf("other", runs[1])
	c, err := judge.Compare(one, other, judge.Alpha)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	e, err := judge.DefaultGate().Evidence(one, other, runs[1].Fitness, uint64(p.done))
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	p.done++
	p.rows += len(c.Changes)
	p.host = runs[1].Fitness.Verdict
	p.count(c)
	for _, x := range c.Changes {
		if !strings.HasSuffix(x.Row, "-1") && x.Unit != judge.XFloor {
			p.across.add(x, e.Bands[judge.Cell{Row: x.Row, Unit: x.Unit}])
		}
	}
	return nil
}

// count notes what a comparison found.
func (p *pairs) count(c record.Comparison) {
	var found []string
	said := false
	for _, x := range c.Changes {
		if x.Direction != record.Same {
			found = append(found, fmt.Sprintf("%s %s %+.1f%% %s", x.Row, x.Unit, 100*(x.Ratio-1), x.Direction))
			said = said || x.Direction != record.Inconclusive
		}
	}
	if len(found) > 0 {
		p.differ = append(p.differ, fmt.Sprintf("pair %d: %s", p.done, strings.Join(found, ", ")))
	}
	if said {
		p.claimed++
	}
}

func (a *crossing) add(x record.Change, band float64) {
	switch {
	case judge.Apart(x) <= band:
		a.within++
	case x.Direction == record.Better || x.Direction == record.Worse:
		a.claimed++
	default:
		a.unsaid++
	}
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
	fmt.Fprintf(p.out, "%d of %d pairs have a row said to be better or worse; chance predicts %.1f, and %d at most in 95 of 100 (%d rows in all, %v, %s)\n",
		p.claimed, p.done, float64(p.done)*judge.Alpha, judge.Chance(p.done, judge.Alpha), p.rows, took, p.host)
	fmt.Fprintf(p.out, "%d of %d have a row that differs significantly, said or INCONCLUSIVE\n", len(p.differ), p.done)
	if a := p.across; a != (crossing{}) {
		fmt.Fprintf(p.out, "rows over several CPUs: %d within the noise of their two runs, %d beyond it and nothing said of them, %d beyond it and said to have changed\n", a.within, a.unsaid, a.claimed)
	}
}
