package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// measurement is an esc bench under way: what it measures, with what, and the
// record of it.
type measurement struct {
	flags   benchFlags
	bench   *workloads.Bench
	machine *topology.Topology
	chosen  []workloads.Workload

	run   record.Run
	ruler probes.Ruler
}

// newMeasurement chooses what is measured, and where. Its errors are usage, or of
// a machine that cannot be read.
func newMeasurement(f benchFlags, progress io.Writer) (*measurement, error) {
	name, err := regexp.Compile(f.run)
	if err != nil {
		return nil, usage("--run %q: %v", f.run, err)
	}
	b, machine, err := f.bench()
	if err != nil {
		return nil, err
	}
	b.Log = progress
	chosen, err := workloads.Select(b, name)
	if f.run == everything && !f.list {
		chosen = workloads.Usual(chosen)
	}
	switch {
	case err != nil:
		return nil, usage("--set %v", err)
	case len(chosen) == 0 && len(f.set) > 0:
		return nil, usage("--run %q with --set %s matches no cell: esc bench --list shows them", f.run, strings.Join(f.set, " --set "))
	case len(chosen) == 0:
		return nil, usage("--run %q matches no cell: esc bench --list shows them", f.run)
	}
	return &measurement{flags: f, bench: b, machine: machine, chosen: chosen}, nil
}

// take measures it all; after an interrupt the record is partial.
func (m *measurement) take(ctx context.Context) (err error) {
	clean, err := m.begin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	m.look()
	before := m.busy()
	stopped := func() bool { return ctx.Err() != nil }
	if m.flags.run == everything {
		if err := m.hardware(stopped); err != nil {
			return exit(exitUnmeasured, err)
		}
	}
	if m.run.Rows, err = m.bench.Measure(m.chosen, stopped); err != nil {
		return exit(exitUnmeasured, err)
	}
	m.run.Profiles, m.run.Partial = m.bench.Profiles, stopped()
	m.add(probes.CheckOthers(before, m.busy()))
	m.finish()
	return nil
}

// begin is what comes before anything is measured: folders, which clean removes,
// the clock, and the process settled for measuring.
func (m *measurement) begin() (clean func() error, err error) {
	b := m.bench
	if b.Scratch, b.Disk, clean, err = benchFolders(m.flags); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, clean())
		}
	}()
	m.run = record.Run{Schema: record.Schema, Started: time.Now().UTC(), Command: os.Args, Seed: m.flags.seed, Quick: m.flags.quick, Build: readBuild()}
	fmt.Fprintln(b.Log, "calibrating the clock and checking the host")
	if b.Clock, err = cpu.Calibrate(); err != nil {
		return clean, exit(exitUnfit, err)
	}
	m.ruler, err = probes.CheckRuler(b.Clock)
	if err != nil && !errors.Is(err, probes.ErrRuler) { // one that does not hold is the doctor's to say
		return clean, exit(exitUnmeasured, err)
	}
	m.run.Host = readHost(m.machine)
	if b.Self, err = os.Executable(); err != nil {
		return clean, err
	}
	if m.flags.profile {
		b.Profile = profileLength
	}
	b.Settle()
	return clean, nil
}

// profileLength is how long each cell is profiled: a hundred samples a thread.
const profileLength = time.Second

// hardware measures the machine, before any workload runs on it.
func (m *measurement) hardware(stopped func() bool) error {
	fmt.Fprintln(m.bench.Log, "measuring the machine: core to core, caches, lost time")
	effort := workloads.Thorough
	if m.flags.quick {
		effort = workloads.Brief
	}
	h, err := m.bench.Hardware(m.machine, os.DirFS("/"), effort, stopped)
	m.run.Matrices, m.run.Caches, m.run.Strips = h.Matrices, h.Caches, h.Strips
	return err
}

// finish checks the ruler again; if it no longer holds, every row is judged anew.
func (m *measurement) finish() {
	if !recheck(&m.run, &m.ruler, m.bench.Clock) {
		m.judgeAgain()
	}
	m.run.Plan, m.run.Counters = m.bench.Placed(), m.bench.Counters()
	m.run.Ended = time.Now().UTC()
}
