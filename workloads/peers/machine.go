package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/klauspost/cpuid/v2"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// watched is how long each CPU is looked at for what others take of it.
const watched = 300 * time.Millisecond

// measure prepares the machine as esc bench does, and runs the contests.
func measure(ctx context.Context, o options, name *regexp.Regexp, log io.Writer) (run record.Run, err error) {
	run = record.Run{Schema: record.Schema, Started: time.Now().UTC(), Command: os.Args, Seed: o.seed, Build: build()}
	fmt.Fprintln(log, "calibrating the clock and checking the host")
	clock, err := cpu.Calibrate()
	if err != nil {
		return run, err
	}
	ruler, err := probes.CheckRuler(clock)
	if err != nil && !errors.Is(err, probes.ErrRuler) { // one that does not hold is the doctor's to say
		return run, err
	}
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		return run, err
	}
	if run.Host, err = host(machine); err != nil {
		return run, err
	}
	b, clean, err := bench(o, clock, machine, run.Host.Allowed)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, clean()) }()
	b.Log = log
	b.Settle()
	run.Fitness = fitness(probes.Doctor(clock, os.DirFS("/"), machine, run.Host.Allowed, o.out, watched))
	b.Fitness = run.Fitness
	stopped := func() bool { return ctx.Err() != nil }
	if run.Rows, err = contests(b, name, stopped, log); err != nil {
		return run, err
	}
	if err := ruler.Recheck(); err != nil {
		run.Fitness.Verdict = record.Unfit
	}
	run.Clock = record.Clock{
		Hz: ruler.Hz, Agreement: clock.Agreement, ReadNs: ruler.ReadNs, FencedNs: ruler.FencedNs, ResolutionNs: ruler.ResolutionNs,
		GHzBefore: ruler.GHzBefore, GHzAfter: ruler.GHzAfter, DriftPpm: ruler.DriftAfter * 1e6,
	}
	run.Plan, run.Partial, run.Ended = b.Placed(), ctx.Err() != nil, time.Now().UTC()
	return run, nil
}

// bench is the setting of all contests, on the CPUs that esc bench would take.
func bench(o options, clock cpu.Clock, machine *topology.Topology, allowed []int) (*workloads.Bench, func() error, error) {
	b := &workloads.Bench{Clock: clock, Allowed: allowed, Trials: o.rounds, Time: o.time, Seed: o.seed, Random: rand.New(rand.NewPCG(o.seed, o.seed))}
	if err := b.Place(machine); err != nil {
		return nil, nil, err
	}
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = ""
	}
	scratch, err := os.MkdirTemp(parent, "peers-")
	if err != nil {
		return nil, nil, fmt.Errorf("folder for logs under test: %w", err)
	}
	b.Scratch, b.Disk = scratch, scratch
	return b, func() error { return os.RemoveAll(scratch) }, nil
}

func host(t *topology.Topology) (h record.Host, err error) {
	h = record.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuid.CPU.BrandName, Online: t.Online, Nodes: len(t.Nodes), Virtual: cpuid.CPU.HypervisorVendorString}
	h.Name, _ = os.Hostname() // without one the folder says unknown
	h.Allowed, err = cpu.Allowed()
	return h, err
}

func fitness(f probes.Fitness) record.Fitness {
	out := record.Fitness{Verdict: string(f.Verdict)}
	for _, c := range f.Checks {
		out.Checks = append(out.Checks, record.Check{Name: c.Name, Value: c.Value, Source: c.Source, Verdict: string(c.Verdict), Why: c.Why, Mend: c.Mend, Undo: c.Undo})
	}
	return out
}

func build() record.Build {
	b := record.Build{Commit: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
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
