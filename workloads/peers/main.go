// Command peers sets the engine's structures against what one would otherwise
// take: channels, other queues, maps, pools and a message broker.
//
// It takes the position that a comparison is only worth what it holds equal: one
// process, one run, one CPU plan, turns in random order, the same loops by the
// same rules (refused pushes are not counted, cheap operations are amortised, what
// arrives is checked), and the collector off for all, which favours whoever
// allocates. It is a module of its own, so that who uses the engine does not
// inherit its dependencies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes, those of esc.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnmeasured  = 3
	exitInterrupted = 130
)

type options struct {
	out, run string
	rounds   int
	time     time.Duration
	seed     uint64
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.out, "out", "results", "folder that gets the folder of results")
	f.StringVar(&o.run, "run", ".", "only contests whose name matches this regular expression")
	f.IntVar(&o.rounds, "count", 20, "rounds: trials of each contestant, 6 or more for an interval")
	f.DurationVar(&o.time, "time", 100*time.Millisecond, "length of a trial")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the order of turns")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return exitUsage
	}
	name, err := regexp.Compile(o.run)
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case err == nil && (o.rounds < 1 || o.rounds > 1000):
		err = fmt.Errorf("--count %d: use 1 to 1000", o.rounds)
	case err == nil && (o.time < time.Millisecond || o.time > time.Minute):
		err = fmt.Errorf("--time %v: use 1ms to 1m", o.time)
	}
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return exitUsage
	}
	run, err := measure(ctx, o, name, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return exitUnmeasured
	}
	return finish(o, run, stdout, stderr)
}

// finish keeps the run, prints its table and says how it went.
func finish(o options, run record.Run, stdout, stderr io.Writer) int {
	dir, err := reports.Write(o.out, run)
	if err == nil {
		err = table(stdout, run)
	}
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "results in %s; by implementation: go tool benchstat -col /impl %s/bench.txt\n", dir, dir)
	for _, row := range run.Rows {
		if len(row.Valid()) < len(row.Trials) {
			fmt.Fprintf(stderr, "peers: %s has invalid trials: see its .FAIL file\n", row.Name())
			return exitUnmeasured
		}
	}
	if run.Partial {
		fmt.Fprintln(stderr, "peers: interrupted: the results are partial")
		return exitInterrupted
	}
	return 0
}
