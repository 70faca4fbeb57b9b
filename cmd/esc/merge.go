package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
)

func newMergeCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "merge DIR DIR..",
		Short: "Make one folder of what senders on several hosts recorded of one load",
		Long: `Make one folder of what senders on several hosts recorded of one load, each by
esc load --out: rates add up, histograms are merged and their percentiles taken
anew, and one sender that fell behind makes the whole invalid. Merged percentiles are
of all events; those of the parts cannot be averaged.

Exit codes: 0 merged, 2 usage, 3 they are not records of one load.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage("esc report merge takes two folders of results or more, of esc load --out")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return merge(c, args, out) },
	}
	c.Flags().StringVar(&out, "out", "results", "folder that gets the folder of results")
	return c
}

func merge(c *cobra.Command, dirs []string, out string) error {
	var runs []record.Run
	for _, dir := range dirs {
		run, err := reports.Load(dir)
		if err != nil {
			return exit(exitUnmeasured, err)
		}
		runs = append(runs, run)
	}
	all, err := reports.Merge(runs)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	all.Command = os.Args
	dir, err := reports.Write(out, all)
	if err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), dir)
	return err
}
