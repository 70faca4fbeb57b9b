package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"eventstreamcore/reports/record"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "The build: commit and Go version",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			b := readBuild()
			dirty := ""
			if b.Dirty {
				dirty = " with uncommitted changes"
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "esc commit %s%s, %s\n", b.Commit, dirty, b.Go)
			return err
		},
	}
}

// readBuild is what the toolchain stamped into this binary.
func readBuild() record.Build {
	b := record.Build{Commit: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = info.GoVersion
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	return b
}
