package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// unit is what contestants are compared by.
const unit = "ns/op"

// table prints each contest: how long an item takes, and as a multiple of ours
// with its 95 % interval, resampled by run.
func table(w io.Writer, run record.Run) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "contest\timpl\tns/op\t95 % interval\tx ours\t95 % interval\t")
	var base record.Row
	for _, row := range run.Rows {
		name, impl := cut(row)
		if impl == ours {
			base = row
		}
		s := judge.Summarise(row.Values(unit))
		if s.N == 0 {
			fmt.Fprintf(out, "%s\t%s\t%s\t\t\t\t\n", name, impl, reason(row))
			continue
		}
		fmt.Fprintf(out, "%s\t%s\t%.3g\t%s\t%s\t\n", name, impl, s.Center, interval(s), times(base, row))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "host %s: %s, CPUs %v, %s; seed %d; medians of %d turns each, in random order\n",
		run.Host.Name, strings.TrimSpace(run.Host.CPU), run.Host.Allowed, run.Fitness.Verdict, run.Seed, len(base.Valid()))
	return err
}

// cut is the name of a row's contest and of its contestant.
func cut(row record.Row) (name, impl string) {
	name, impl, _ = strings.Cut(row.Name(), "/impl=")
	return name, impl
}

func reason(row record.Row) string {
	if row.Skipped != "" {
		return row.Skipped
	}
	return "not measured"
}

func interval(s judge.Summary) string {
	if !s.Bounded {
		return "too few turns"
	}
	return fmt.Sprintf("%.3g-%.3g", s.Low, s.High)
}

// times is row over ours.
func times(base, row record.Row) string {
	if row.Name() == base.Name() {
		return "1\t"
	}
	side := func(r record.Row) (s judge.Side) {
		s.Add(judge.Sample{Row: "contest", Unit: unit, Values: r.Values(unit)})
		return s
	}
	c, err := judge.Compare(side(base), side(row), judge.Alpha)
	if err != nil {
		return "\t"
	}
	x := c.Changes[0]
	return fmt.Sprintf("%.3g\t%.3g-%.3g", x.Ratio, x.RatioLow, x.RatioHi)
}
