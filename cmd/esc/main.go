// Command esc is EventStreamCore: the engine as a server, the load that drives
// it, and the harness that measures it and says what its figures are worth.
//
// Data goes to stdout, progress and messages to stderr. Exit codes: 0 ok, 1
// regression, target missed, damage found or events left behind, 2 usage, 3 not
// comparable, not measured or not done, 4 host unfit, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitMissed      = 1
	exitUsage       = 2
	exitUnmeasured  = 3
	exitUnfit       = 4
	exitInterrupted = 130
)

// exitError is an error that has an exit code of its own. Without one, what was
// asked for could not be done: exitUnmeasured. A full disk is no regression, so
// exitMissed is given only by who has found something.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exit gives err the code; nil stays nil.
func exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// usage is an error in how the command was called.
func usage(format string, args ...any) error {
	return exit(exitUsage, fmt.Errorf(format, args...))
}

// main keeps the process's first thread to itself: a pinned goroutine that
// landed on it would leave /proc/self pinned for good, and with it what every
// later reader takes for the process's own mask.
func main() {
	runtime.LockOSThread()
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "esc:", err)
	return exitCode(err)
}

// exitCode is the code that err was given: exitUnmeasured if none.
func exitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.code
	}
	return exitUnmeasured
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "esc",
		Short:         "An event-streaming engine, and the harness that measures it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q: esc --help lists them", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
		// cobra checks them itself, but its errors have no code.
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return exit(exitUsage, c.ValidateFlagGroups()) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exit(exitUsage, err) })
	root.AddCommand(
		newServeCommand(), newLoadCommand(), newTailCommand(), newLogCommand(), newDLQCommand(), newClusterCommand(),
		newBenchCommand(), newProbeCommand(), newPlanCommand(),
		newReportCommand(), newCompareCommand(), newGateCommand(), newVerifyCommand(),
		newVersionCommand(),
	)
	return root
}

// noArguments refuses positional arguments, by name.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unexpected argument %q: %s takes only flags (--help)", args[0], c.CommandPath())
	}
	return nil
}
