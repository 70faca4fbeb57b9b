package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
)

func newVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Check a folder of results against itself",
		Long: `Check a folder of results against itself (default results/latest): every file
against its checksum, every form against run.json, every percentile against the
raw histograms, every verdict against the trials. It shows inconsistency, not
forgery: who makes all of it up is not found out.

Exit codes: 0 consistent, 1 not, 2 usage, 3 the folder cannot be read.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("esc verify takes one folder of results")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			dir := filepath.Join("results", "latest")
			if len(args) == 1 {
				dir = args[0]
			}
			return verify(c, dir)
		},
	}
}

func verify(c *cobra.Command, dir string) error {
	dir, err := filepath.EvalSymlinks(dir) // the folder itself is walked, not a link to it
	if err != nil {
		return exit(exitUnmeasured, fmt.Errorf("reading results: %w", err))
	}
	wrong, err := reports.Verify(dir)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	for _, w := range wrong {
		fmt.Fprintln(c.OutOrStdout(), w)
	}
	if len(wrong) > 0 {
		return exit(exitMissed, fmt.Errorf("%s: %d thing(s) do not agree", dir, len(wrong)))
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s is consistent\n", dir)
	return err
}
