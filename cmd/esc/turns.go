package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"eventstreamcore/reports"
	"eventstreamcore/reports/record"
)

// contender is one of the builds that take turns, or one way to run a build.
type contender struct {
	Name   string
	Binary string
	Args   []string // of its esc bench, besides those that all have
}

// turns lets contenders measure in blocks of a fresh process of each, for a process
// keeps its luck with addresses and pages as long as it lives. The processes of a
// block live at the same time and take turns trial by trial, so that no second of
// the host is one contender's alone; or, Apart, one after the other in random order,
// which builds that know no such turns can as well.
type turns struct {
	Contenders []contender
	Blocks     int
	Apart      bool
	Seed       uint64
	Args       []string // of every esc bench
	Out        string   // folder for what only a process needs: on the disk that rows about a disk are to use
	Log        io.Writer

	// Keep takes what the processes of a block measured, in the contenders' order.
	Keep func(block int, runs []record.Run) error

	host record.Fitness // as it was last looked at
}

// run takes the blocks from the given one on. An interrupt ends it with
// context.Canceled, and the block under way counts for nothing.
func (t *turns) run(ctx context.Context, from int) error {
	began := time.Now()
	var names []string
	for _, c := range t.Contenders {
		names = append(names, c.Name)
	}
	for block := from; block < t.Blocks; block++ {
		left := "?"
		if done := block - from; done > 0 {
			left = (time.Since(began) / time.Duration(done) * time.Duration(t.Blocks-block)).Round(time.Second).String()
		}
		fmt.Fprintf(t.Log, "[%2d/%d, %s left] %s\n", block+1, t.Blocks, left, strings.Join(names, ", "))
		take := t.together
		if t.Apart {
			take = t.apart
		}
		runs, err := take(ctx, block)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		if err := t.Keep(block, runs); err != nil {
			return err
		}
	}
	return nil
}

// random is what a block draws its order from.
func (t *turns) random(block int) *rand.Rand { return rand.New(rand.NewPCG(t.Seed, uint64(block))) }

// args is what the process of who is called with in a block.
func (t *turns) args(who contender, block int, out string) []string {
	return slices.Concat([]string{"--out", out, "--seed", fmt.Sprint(t.Seed + uint64(block))}, t.Args, who.Args)
}

// said is what turns' runs share, for the record: when, how and by what seed.
func (t *turns) said(began time.Time) string {
	how := "trial by trial"
	if t.Apart {
		how = "process by process"
	}
	return fmt.Sprintf("%s, %s, seed %d", began.UTC().Format(time.RFC3339), how, t.Seed)
}

// apart is a block of processes one after the other.
func (t *turns) apart(ctx context.Context, block int) (runs []record.Run, err error) {
	runs = make([]record.Run, len(t.Contenders))
	for _, i := range t.random(block).Perm(len(t.Contenders)) {
		if runs[i], err = t.take(ctx, t.Contenders[i], block); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Contenders[i].Name, err)
		}
	}
	return runs, nil
}

// interruptGrace is how long a process that was interrupted has to end by itself.
const interruptGrace = 10 * time.Second

// take is a process by itself: a run whose folder does not stay.
func (t *turns) take(ctx context.Context, who contender, block int) (run record.Run, err error) {
	out, err := os.MkdirTemp(t.Out, ".turn-")
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	if err := benchProcess(ctx, who.Binary, t.args(who, block, out), io.Discard); err != nil {
		return run, err
	}
	run, err = reports.Load(filepath.Join(out, "latest"))
	return run, exit(exitUnmeasured, err)
}

// benchProcess runs binary's esc bench. That it finds a target missed, or a trial
// invalid, is the reader's matter and no error.
func benchProcess(ctx context.Context, binary string, args []string, log io.Writer) error {
	var said strings.Builder
	cmd := exec.CommandContext(ctx, binary, append([]string{"bench"}, args...)...)
	cmd.Stderr = io.MultiWriter(log, &said)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptGrace
	err := cmd.Run()
	var left *exec.ExitError
	if errors.As(err, &left) && (left.ExitCode() == exitMissed || left.ExitCode() == exitUnmeasured) && strings.Contains(said.String(), "results in ") {
		return nil
	}
	return unmeasured(err, said.String())
}

// unmeasured is the error of an esc bench that ended with err, by the last line of
// what it said.
func unmeasured(err error, said string) error {
	var left *exec.ExitError
	if !errors.As(err, &left) {
		return err
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := strings.TrimPrefix(lines[len(lines)-1], "esc: ")
	switch code := left.ExitCode(); code {
	case exitMissed:
		return exit(exitUnmeasured, fmt.Errorf("esc bench did not measure: %s", last))
	case -1:
		return exit(exitUnmeasured, fmt.Errorf("esc bench did not measure: %w", err))
	default:
		return exit(code, fmt.Errorf("esc bench did not measure: %s", last))
	}
}
