package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"eventstreamcore/probes/place"
	"eventstreamcore/probes/topology"
	"eventstreamcore/workloads"
	"eventstreamcore/workloads/drive"
)

// bench is what is known before anything is measured: the CPUs, the parameters
// and the trace. Its errors are usage, or of a machine that cannot be read.
func (f *benchFlags) bench() (*workloads.Bench, *topology.Topology, error) {
	b := &workloads.Bench{Trials: f.count, Time: f.time, Seed: f.seed, Random: rand.New(rand.NewPCG(f.seed, f.seed)), Set: workloads.Settings{}, Slowdown: f.slowdown}
	for _, text := range f.set {
		if err := b.Set.Assign(text); err != nil {
			return nil, nil, usage("--set %v", err)
		}
	}
	var err error
	if b.Trace, err = readTrace(f.replay); err != nil {
		return nil, nil, usage("--replay %v", err)
	}
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		return nil, nil, exit(exitUnmeasured, err)
	}
	b.Allowed = machine.Usable()
	if machine.Isolated != nil {
		b.Isolated = *machine.Isolated
	}
	return b, machine, f.place(b, machine)
}

// readTrace reads the file, if one is named.
func readTrace(path string) (drive.Trace, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	t, err := drive.ReadTrace(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// place has the bench run where the file of a plan says, or one made for it.
func (f *benchFlags) place(b *workloads.Bench, machine *topology.Topology) error {
	if f.plan == "" {
		return exit(exitUnmeasured, b.Place(machine))
	}
	p, err := readPlan(f.plan)
	if err != nil {
		return usage("--plan %v", err)
	}
	if err := b.Follow(machine, p); err != nil {
		return usage("--plan %s: %v", f.plan, err)
	}
	return nil
}

// readPlan reads what esc plan --json wrote. A key that it does not write is a
// mistake, or of another version: what it would have meant is not done.
func readPlan(path string) (place.Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return place.Plan{}, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var p planned
	if err := d.Decode(&p); err != nil {
		return p.Plan, fmt.Errorf("%s is no plan of esc plan --json: %w", path, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return p.Plan, fmt.Errorf("%s is no plan of esc plan --json: something follows it", path)
	}
	return p.Plan, nil
}
