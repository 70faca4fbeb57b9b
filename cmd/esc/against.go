package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// The sides of a comparison of two builds, in the order in which they stand.
const (
	oldSide = iota
	newSide
)

// rival is two builds of esc that are measured in turns: of another commit, and
// of the checkout as it stands.
type rival struct {
	builds [2]record.Build
	turns  turns
	began  time.Time
	runs   [2][]record.Run
}

// processTrials is how many trials of a row each process is asked for, where a trial
// opens the cell anew: many short ones, most of which a host's gaps miss, rather
// than few long ones, none of which they do. Together they last three times --time;
// the many more of a cell that stays open half as long, for they warm up each.
const processTrials = 15

// newRival builds both sides below temp. args are those of every esc bench.
func newRival(ctx context.Context, ref, temp string, f benchFlags, log io.Writer) (*rival, error) {
	source, err := findCheckout(ctx)
	if err != nil {
		return nil, err
	}
	commits := [2]string{}
	for side, ref := range []string{ref, "HEAD"} {
		if commits[side], err = source.commit(ctx, ref); err != nil {
			return nil, err
		}
	}
	changed, err := source.changes(ctx)
	if err != nil {
		return nil, err
	}
	r := &rival{began: time.Now().UTC()}
	for side := range r.builds {
		r.builds[side] = record.Build{Commit: commits[side][:12]}
	}
	r.builds[newSide].Dirty = len(changed) > 0
	r.turns = turns{Blocks: f.count, Seed: f.seed, Out: f.out, Log: log, Keep: r.keep, Args: f.turnArgs(), Contenders: []contender{
		{Name: "old", Binary: filepath.Join(temp, "old")}, {Name: "new", Binary: filepath.Join(temp, "new")},
	}}
	fmt.Fprintf(log, "old: building %s, %s\n", ref, r.builds[oldSide].Commit)
	if err := source.buildAt(ctx, commits[oldSide], temp, r.turns.Contenders[oldSide].Binary); err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	fmt.Fprintf(log, "new: building the checkout, %s\n", withChanges(r.builds[newSide].Commit, changed))
	if err := source.build(ctx, source.top, r.turns.Contenders[newSide].Binary); err != nil {
		return nil, fmt.Errorf("the checkout: %w", err)
	}
	for _, c := range r.turns.Contenders {
		if !knowsTurns(ctx, c.Binary) {
			fmt.Fprintf(log, "%s: this build takes no turns trial by trial, so that processes run one after the other, and less is found\n", c.Name)
			r.turns.Apart = true
		}
	}
	return r, nil
}

// knowsTurns says whether a build can measure trial by trial: those from before it
// could refuse the flag.
func knowsTurns(ctx context.Context, binary string) bool {
	_, err := output(ctx, "", binary, "bench", "--"+inTurnsFlag, "--list")
	return err == nil
}

// changesShown bounds the changed files that are named.
const changesShown = 5

// withChanges is commit and what was changed since.
func withChanges(commit string, changed []string) string {
	if len(changed) == 0 {
		return commit
	}
	more := ""
	if n := len(changed) - changesShown; n > 0 {
		changed, more = changed[:changesShown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s with uncommitted changes: %s%s", commit, strings.Join(changed, ", "), more)
}

// turnArgs is what every process of a comparison is called with. Where nothing is
// to be left out it still must not measure the machine each time.
func (f benchFlags) turnArgs() []string {
	only := f.run
	if only == everything {
		only = ""
	}
	args := []string{"--run", only, "--count", fmt.Sprint(processTrials), "--time", (3 * f.time / processTrials).String()}
	if f.quick {
		args = append(args, "--quick")
	}
	for _, set := range f.set {
		args = append(args, "--set", set)
	}
	for flag, value := range map[string]string{"--scratch": f.scratch, "--plan": f.plan, "--replay": f.replay} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	return args
}

func (r *rival) keep(_ int, runs []record.Run) error {
	for side, run := range runs {
		r.builds[side].Go = run.Build.Go
		r.runs[side] = append(r.runs[side], run)
	}
	return nil
}

// write keeps both sides below root and returns their folders: root/latest
// points to the new one, root/against to the old one.
func (r *rival) write(root string, partial bool) (dirs [2]string, err error) {
	for side, runs := range r.runs {
		gather := reports.GatherTurns
		if r.turns.Apart {
			gather = reports.Gather
		}
		run, err := gather(runs)
		if err != nil {
			return dirs, err
		}
		run.Command, run.Seed, run.Build, run.Partial = os.Args, r.turns.Seed, r.builds[side], partial
		run.Turns = r.turns.said(r.began)
		if dirs[side], err = reports.Write(root, run); err != nil {
			return dirs, fmt.Errorf("keeping the results: %w", err)
		}
	}
	return dirs, reports.Point(root, "against", dirs[oldSide])
}

// benchAgainst measures both builds and writes their folders, the page that
// compares them and, on stdout, the comparison.
func benchAgainst(c *cobra.Command, f benchFlags) error {
	if f.json {
		return usage("--json is of one run: esc compare --format json prints the comparison of two")
	}
	progress := f.progress(c)
	dirs, err := measureAgainst(c.Context(), f, progress)
	if err != nil && dirs[newSide] == "" {
		return err
	}
	return errors.Join(err, showAgainst(c, dirs, progress))
}

// showAgainst writes what compares the two folders beside the new one's files, as a
// page, JSON and markdown, and on stdout.
func showAgainst(c *cobra.Command, dirs [2]string, progress io.Writer) error {
	loaded, err := reports.LoadAll(dirs[:])
	if err != nil {
		return err
	}
	result, err := compared(compareFlags{alpha: judge.Alpha}, dirs[oldSide], dirs[newSide])
	if err != nil {
		return err
	}
	page := pagePath(dirs[:])
	files := map[string]func(io.Writer) error{page: func(w io.Writer) error { return reports.HTML(w, loaded) }}
	for ending, format := range map[string]string{".json": "json", ".md": "markdown"} {
		write, err := comparisonWriter(format)
		if err != nil {
			return err
		}
		files[strings.TrimSuffix(page, ".html")+ending] = func(w io.Writer) error { return write(w, result) }
	}
	for name, write := range files {
		if err := replace(name, write); err != nil {
			return fmt.Errorf("results are in %s and %s, without %s: %w", dirs[oldSide], dirs[newSide], filepath.Base(name), err)
		}
	}
	fmt.Fprintf(progress, "results in %s and %s, compared in %s\n", dirs[oldSide], dirs[newSide], page)
	write, err := comparisonWriter("text")
	if err != nil {
		return err
	}
	return write(c.OutOrStdout(), result)
}

// measureAgainst builds, takes turns and writes both folders; after an interrupt
// those that hold what was measured until then, with the error that says so.
func measureAgainst(ctx context.Context, f benchFlags, log io.Writer) (dirs [2]string, err error) {
	if _, err := regexp.Compile(f.run); err != nil {
		return dirs, usage("--run %q: %v", f.run, err)
	}
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return dirs, fmt.Errorf("folder for results: %w", err)
	}
	temp, err := os.MkdirTemp("", "esc-against-")
	if err != nil {
		return dirs, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	r, err := newRival(ctx, f.against, temp, f, log)
	if err == nil {
		err = r.turns.run(ctx, 0)
	}
	interrupted := ctx.Err() != nil
	switch {
	case err != nil && !interrupted:
		return dirs, err
	case r == nil || len(r.runs[oldSide]) == 0 || len(r.runs[newSide]) == 0:
		return dirs, exit(exitInterrupted, errors.New("interrupted before each side had its turn: nothing is kept"))
	}
	if dirs, err = r.write(f.out, interrupted); err == nil && interrupted {
		err = exit(exitInterrupted, errors.New("interrupted: the results are partial"))
	}
	return dirs, err
}
