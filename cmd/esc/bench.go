package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

type benchFlags struct {
	quick, strict, list, quiet, json bool
	profile, inTurns                 bool
	run, out, scratch, against       string
	count                            int
	time                             time.Duration
	seed                             uint64
	set                              []string
	plan, replay                     string // files
	slowdown                         float64
	hosts                            hostsFlags
}

func newBenchCommand() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure every stage, judge it against its target, and keep the results",
		Long: `Measure every stage, judge it against its target, and keep the results in
OUT/<UTC>_<host>_<commit>, with OUT/latest pointing there: report.html is the page
to open. Without --run the machine itself is measured first, before any workload
runs on it.

With --against REF another commit is built besides, in a worktree of its own, and
the two builds are measured in turns: pairs of fresh processes, one of each build,
that live at the same time and take turns trial by trial, of a millisecond where
that does, in random order by a seed that is recorded. Each pair counts once, by the
median of what one measured over the other. Both folders stay, OUT/latest and OUT/against point to
them, the comparison is printed and lies with the new one as comparison.json and
comparison.md; esc gate judges it.

With --hosts agents that were started on other hosts, by esc load --agent, send to
--addr together, and what they time, each by its own clock, becomes one record:
--count loads of --time each (default 5 of 5s). See docs/hosts.md.

Exit codes: 0 nothing failed, 1 a target was missed on a host that could be
trusted, 3 a run was invalid or could not be measured, 4 with --strict when the
host is unfit for a verdict that was wanted, 130 interrupted (what was measured
is kept, marked partial).`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := given(c, f.count); err != nil {
				return err
			}
			if c.Flags().Changed("time") && f.time == 0 {
				return usageTime(f.time)
			}
			if wanted, err := f.hosts.wanted(c); err != nil {
				return err
			} else if wanted {
				return benchHosts(c, f)
			}
			return bench(c, f)
		},
	}
	f.hosts.add(c)
	c.Flags().BoolVar(&f.quick, "quick", false, "every workload briefly, under a minute in all")
	c.Flags().BoolVar(&f.strict, "strict", false, "exit 4 when a verdict is INCONCLUSIVE")
	c.Flags().BoolVar(&f.list, "list", false, "list the workloads and their cells, and measure nothing")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress on stderr")
	c.Flags().BoolVar(&f.json, "json", false, "print run.json on stdout instead of the table")
	c.Flags().BoolVar(&f.profile, "profile", false, "repeat each cell for a second more under the CPU profiler, in no figure, and keep profiles/*.pprof for flame graphs")
	c.Flags().StringVar(&f.run, "run", everything, "only cells whose name matches this regular expression (--list shows them)")
	c.Flags().StringVar(&f.against, "against", "", "branch, tag or commit: build it too, and measure both builds in turns")
	c.Flags().StringArrayVar(&f.set, "set", nil, "only cells with this value of a parameter, as batch=1,32; a number is any that is possible (repeat for others)")
	c.Flags().StringVar(&f.plan, "plan", "", "file of esc plan --json that says which CPUs to measure on (default: planned by how near CPUs are)")
	c.Flags().StringVar(&f.replay, "replay", "", "file of times, as esc load --times or esc log dump writes it, for open loops of the shape replay")
	c.Flags().StringVar(&f.out, "out", "results", "folder that gets the folder of results")
	c.Flags().StringVar(&f.scratch, "scratch", "", "folder for logs under test (default: a tmpfs, /dev/shm)")
	c.Flags().IntVar(&f.count, "count", 0, "trials of each cell (default 20, with --quick 7); with --against fresh processes of each build (default 20)")
	c.Flags().DurationVar(&f.time, "time", 0, "length of a trial (default 125ms, with --quick 25ms)")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of everything random (default: of the time, and recorded)")
	c.Flags().Float64Var(&f.slowdown, slowdownFlag, 0, "share by which amortised operations are slowed down, as the bait of esc gate selftest")
	c.Flags().BoolVar(&f.inTurns, inTurnsFlag, false, "measure cell by cell and trial by trial as another process says, on stdin")
	for _, name := range []string{slowdownFlag, inTurnsFlag} {
		_ = c.Flags().MarkHidden(name) // it is defined above
	}
	return c
}

// Flags of the processes that esc starts itself.
const (
	slowdownFlag = "slow-down"
	inTurnsFlag  = "in-turns"
)

// everything is the --run that leaves nothing out. With another one the machine
// itself is not measured either: who asks for a row wants it soon.
const everything = "."

// given judges a --count that was given: where it was not, 0 stands for a default.
func given(c *cobra.Command, count int) error {
	if c.Flags().Changed("count") && (count < 1 || count > 1000) {
		return usage("--count %d: use 1 to 1000 trials; 6 or more give an interval", count)
	}
	return nil
}

func usageTime(d time.Duration) error { return usage("--time %v: use 1ms to 1m", d) }

// defaults fills what was not given and judges what was.
func (f *benchFlags) defaults() error {
	if f.count == 0 {
		f.count = 20
		if f.quick {
			f.count = 7
		}
		if f.against != "" {
			f.count = judge.DuetPairs
		}
	}
	if f.time == 0 {
		f.time = 125 * time.Millisecond
		if f.quick {
			f.time = 25 * time.Millisecond
		}
	}
	if f.seed == 0 {
		f.seed = uint64(time.Now().UnixNano())
	}
	if f.time < time.Millisecond || f.time > time.Minute {
		return usageTime(f.time)
	}
	if !(f.slowdown >= 0 && f.slowdown <= 10) {
		return usage("--%s %v: use a share, 0.1 for 10 %%", slowdownFlag, f.slowdown)
	}
	return nil
}

// progress is where it is said how far a bench is.
func (f *benchFlags) progress(c *cobra.Command) io.Writer {
	if f.quiet || f.inTurns {
		return io.Discard
	}
	return c.ErrOrStderr()
}

func bench(c *cobra.Command, f benchFlags) error {
	if err := f.defaults(); err != nil {
		return err
	}
	switch {
	case f.against != "" && f.profile:
		return usage("--profile with --against: profile each build by itself")
	case f.against != "" && f.strict:
		return usage("--strict with --against: esc gate --against judges, and takes --strict")
	case f.against != "" && !f.list:
		return benchAgainst(c, f)
	}
	m, err := newMeasurement(f, f.progress(c))
	switch {
	case err != nil:
		return err
	case f.list:
		return workloads.List(c.OutOrStdout(), m.bench, m.chosen)
	case f.inTurns:
		return m.inTurns(c.InOrStdin(), c.OutOrStdout())
	}
	if err := m.take(c.Context()); err != nil {
		return err
	}
	if err := f.keep(c, m.run); err != nil {
		return err
	}
	return verdict(m.run, f.strict)
}

// keep writes the results with their page, and shows them.
func (f *benchFlags) keep(c *cobra.Command, run record.Run) error {
	dir, err := reports.Write(f.out, run)
	if err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	if err := writePage(dir); err != nil {
		return fmt.Errorf("results are in %s, without their page: %w", dir, err)
	}
	if err := f.show(c, run); err != nil {
		return err
	}
	fmt.Fprintf(f.progress(c), "results in %s\n", dir)
	return nil
}

// writePage makes the page about the results in dir, there.
func writePage(dir string) error {
	dirs := []string{dir}
	runs, err := reports.LoadAll(dirs)
	if err != nil {
		return err
	}
	return replace(pagePath(dirs), func(w io.Writer) error { return reports.HTML(w, runs) })
}

func (f *benchFlags) show(c *cobra.Command, run record.Run) error {
	if f.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(run)
	}
	width, color := reports.Terminal(os.Stdout)
	return reports.Table(c.OutOrStdout(), run, width, color)
}

// verdict is the exit code that the run earned.
func verdict(run record.Run, strict bool) error {
	var failed, unsure, invalid int
	for _, row := range run.Rows {
		if len(row.Valid()) < len(row.Trials) {
			invalid++
		}
		for _, j := range row.Judgements {
			switch j.Verdict {
			case record.Fail:
				failed++
			case record.Inconclusive:
				unsure++
			}
		}
	}
	switch {
	case run.Partial:
		return exit(exitInterrupted, errors.New("interrupted: the results are partial"))
	case failed > 0:
		return exit(exitMissed, fmt.Errorf("%d target(s) missed", failed))
	case invalid > 0:
		return exit(exitUnmeasured, fmt.Errorf("%d row(s) have invalid trials: see the .FAIL files", invalid))
	case strict && unsure > 0:
		return exit(exitUnfit, fmt.Errorf("%d verdict(s) INCONCLUSIVE on this host", unsure))
	}
	return nil
}
