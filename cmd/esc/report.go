package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
)

type reportFlags struct {
	format, out, plots string
	schema             bool
}

func newReportCommand() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report [DIR..]",
		Short: "Make a page, a summary or another form of results",
		Long: `Make a page, a summary or another form of one folder of results, or of several,
oldest first, which compares them. Without DIR it takes results/latest.

The page is one file that needs nothing from anywhere: attach it to a ticket.
It goes to the newest folder, as report.html or comparison.html, or to --out; the
other forms go to stdout.

  html      the page
  text      the table of esc bench; of two runs, the one of esc compare
  markdown  a summary for the page of a CI run
  json      run.json (its schema: --schema)
  csv       every value of every trial
  action-bigger, action-smaller
            for github-action-benchmark, a file for each direction

Exit codes: 0 made, 2 usage, 3 results cannot be read.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return report(c, f, args) },
	}
	c.Flags().StringVar(&f.format, "format", "html", "html, text, markdown, json, csv, action-bigger or action-smaller")
	c.Flags().StringVarP(&f.out, "out", "o", "", "file to write instead")
	c.Flags().StringVar(&f.plots, "plots", "", "folder that gets every plot besides, as SVG and as PNG")
	c.Flags().BoolVar(&f.schema, "schema", false, "print the JSON schema of run.json, and nothing else")
	c.AddCommand(newMergeCommand())
	return c
}

func report(c *cobra.Command, f reportFlags, dirs []string) error {
	if f.schema {
		return reports.Schema(c.OutOrStdout())
	}
	if len(dirs) == 0 {
		dirs = []string{filepath.Join("results", "latest")}
	}
	write, err := f.writer()
	if err != nil {
		return err
	}
	runs, err := reports.LoadAll(dirs)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	if f.plots != "" {
		if err := reports.Plots(f.plots, runs); err != nil {
			return fmt.Errorf("--plots: %w", err)
		}
	}
	if f.format == "html" && f.out == "" {
		f.out = pagePath(dirs)
	}
	if f.out == "" {
		return write(c.OutOrStdout(), runs)
	}
	if err := replace(f.out, func(w io.Writer) error { return write(w, runs) }); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), f.out)
	return err
}

// pagePath is where the page goes by default: into the newest folder.
func pagePath(dirs []string) string {
	name := "report.html"
	if len(dirs) > 1 {
		name = "comparison.html"
	}
	return filepath.Join(dirs[len(dirs)-1], name)
}

// formats are the forms that a report can take.
var formats = map[string]func(io.Writer, []reports.Loaded) error{
	"html":           reports.HTML,
	"text":           reportText,
	"markdown":       reports.Markdown,
	"json":           reports.JSON,
	"csv":            func(w io.Writer, runs []reports.Loaded) error { return reports.CSV(w, last(runs).Run) },
	"action-bigger":  func(w io.Writer, runs []reports.Loaded) error { return reports.Action(w, last(runs).Run, true) },
	"action-smaller": func(w io.Writer, runs []reports.Loaded) error { return reports.Action(w, last(runs).Run, false) },
}

func (f reportFlags) writer() (func(io.Writer, []reports.Loaded) error, error) {
	write, ok := formats[f.format]
	if !ok {
		return nil, usage("--format %q: use html, text, markdown, json, csv, action-bigger or action-smaller", f.format)
	}
	return write, nil
}

func last(runs []reports.Loaded) reports.Loaded { return runs[len(runs)-1] }

func reportText(w io.Writer, runs []reports.Loaded) error {
	width, color := reports.Terminal(os.Stdout)
	if len(runs) > 1 {
		c, err := reports.Compare(runs[0], last(runs))
		if err != nil {
			return exit(exitUnmeasured, err)
		}
		return reports.ComparisonTable(w, c, width, color)
	}
	return reports.Table(w, runs[0].Run, width, color)
}

// replace writes a file whole or not at all.
func replace(name string, write func(io.Writer) error) (err error) {
	aside, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return err
	}
	err = write(aside)
	err = cmp.Or(err, aside.Chmod(0o644), aside.Close())
	if err != nil {
		_ = os.Remove(aside.Name()) // the error that matters is err
		return err
	}
	return os.Rename(aside.Name(), name)
}
