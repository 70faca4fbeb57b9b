package main

import (
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

type compareFlags struct {
	format string
	across bool
	alpha  float64
}

func newCompareCommand() *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Say what changed between two sets of results, and whether it is real",
		Long: `Say what changed between two folders of results, or two files in the Go
benchmark format, and whether it is real: the tests are benchstat's, adjusted by
Holm's method for how many rows there are, and each change has its direction. Two
folders of esc bench --against are compared pair by pair, by Wilcoxon's signed ranks.

Exit codes: 0 compared, whatever was found (esc gate fails on a regression),
2 usage, 3 the two cannot be compared.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("esc compare takes two folders of results or bench.txt files, the old one first")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return compare(c, f, args[0], args[1]) },
	}
	c.Flags().StringVar(&f.format, "format", "text", "text, markdown or json")
	c.Flags().BoolVar(&f.across, "across", false, "compare multiples of floors only, between any two machines")
	c.Flags().Float64Var(&f.alpha, "alpha", judge.Alpha, "chance of any false alarm over all rows, 0.0001 to 0.5")
	c.AddCommand(newPairsCommand())
	return c
}

func compare(c *cobra.Command, f compareFlags, oldPath, newPath string) error {
	if !(f.alpha >= 0.0001 && f.alpha <= 0.5) {
		return usage("--alpha %v: use 0.0001 to 0.5", f.alpha)
	}
	write, err := comparisonWriter(f.format)
	if err != nil {
		return err
	}
	result, err := compared(f, oldPath, newPath)
	if err != nil {
		return err
	}
	return write(c.OutOrStdout(), result)
}

// compared is what esc compare finds.
func compared(f compareFlags, oldPath, newPath string) (result record.Comparison, err error) {
	sides := [2]judge.Side{}
	for i, path := range []string{oldPath, newPath} {
		if sides[i], err = reports.LoadSide(path); err != nil {
			return result, exit(exitUnmeasured, err)
		}
	}
	how := judge.Compare
	if f.across {
		how = judge.Across
	}
	result, err = how(sides[0], sides[1], f.alpha)
	return result, exit(exitUnmeasured, err)
}

func comparisonWriter(format string) (func(io.Writer, record.Comparison) error, error) {
	switch format {
	case "text":
		return func(w io.Writer, c record.Comparison) error {
			width, color := reports.Terminal(os.Stdout)
			return reports.ComparisonTable(w, c, width, color)
		}, nil
	case "markdown":
		return reports.MarkdownComparison, nil
	case "json":
		return func(w io.Writer, c record.Comparison) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(c)
		}, nil
	}
	return nil, usage("--format %q: use text, markdown or json", format)
}
