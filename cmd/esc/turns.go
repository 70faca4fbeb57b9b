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

// turns lets contenders measure in turns: each time in a fresh process, for a
// process keeps its luck with addresses and pages as long as it lives, and in
// blocks that hold each contender once, in random order, so that no minute of the
// host is one contender's alone.
type turns struct {
	Contenders []contender
	Blocks     int
	Seed       uint64
	Args       []string // of every esc bench
	Out        string   // folder for what only a process needs: on the disk that rows about a disk are to use
	Log        io.Writer

	// Keep takes what one process measured, at its turn.
	Keep func(turn, contender int, run record.Run) error
}

// order is which contender's turn it is, by seed.
func (t turns) order() (order []int) {
	r := rand.New(rand.NewPCG(t.Seed, uint64(len(t.Contenders))))
	for range t.Blocks {
		order = append(order, r.Perm(len(t.Contenders))...)
	}
	return order
}

// run takes the turns from the given one on. An interrupt ends it with
// context.Canceled, between two turns or within one, which then counts for nothing.
func (t turns) run(ctx context.Context, from int) error {
	order, began, n := t.order(), time.Now(), len(t.Contenders)
	for i := from; i < len(order); i++ {
		left := "?"
		if done := i - from; done > 0 {
			left = (time.Since(began) / time.Duration(done) * time.Duration(len(order)-i)).Round(time.Second).String()
		}
		who := t.Contenders[order[i]]
		fmt.Fprintf(t.Log, "[%2d/%d, %s left] %s\n", i+1, len(order), left, who.Name)
		run, err := t.take(ctx, who, i/n)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("%s: %w", who.Name, err)
		}
		if err := t.Keep(i, order[i], run); err != nil {
			return err
		}
	}
	return nil
}

// said is what turns' runs share, for the record: when, by what seed, in which order.
func (t turns) said(began time.Time) string {
	var order strings.Builder
	for i, who := range t.order() {
		if i > 0 && i%len(t.Contenders) == 0 {
			order.WriteByte(' ')
		}
		order.WriteString(t.Contenders[who].Name[:1])
	}
	return fmt.Sprintf("%s, seed %d: %s", began.UTC().Format(time.RFC3339), t.Seed, order.String())
}

// interruptGrace is how long a process that was interrupted has to end by itself.
const interruptGrace = 10 * time.Second

// take is one turn: a run whose folder does not stay.
func (t turns) take(ctx context.Context, who contender, block int) (run record.Run, err error) {
	out, err := os.MkdirTemp(t.Out, ".turn-")
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	args := slices.Concat([]string{"--out", out, "--seed", fmt.Sprint(t.Seed + uint64(block))}, t.Args, who.Args)
	if err := benchProcess(ctx, who.Binary, args, io.Discard); err != nil {
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
	if !errors.As(err, &left) {
		return err
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	last := strings.TrimPrefix(lines[len(lines)-1], "esc: ")
	switch code := left.ExitCode(); code {
	case exitMissed, exitUnmeasured:
		if strings.Contains(said.String(), "results in ") {
			return nil
		}
		return exit(exitUnmeasured, fmt.Errorf("esc bench did not measure: %s", last))
	case -1:
		return exit(exitUnmeasured, fmt.Errorf("esc bench did not measure: %w", err))
	default:
		return exit(code, fmt.Errorf("esc bench did not measure: %s", last))
	}
}
