package main

import (
	"encoding/json"
	"fmt"
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
	hot, peer, err := f.planned(machine, b.Allowed)
	if err != nil {
		return nil, nil, err
	}
	b.Pairs = workloads.Pairs(machine, b.Allowed, hot, peer)
	return b, machine, nil
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

// planned is the CPU that the plan has the whole engine on, if it is on one
// thread, and the one where it has the generator.
func (f *benchFlags) planned(machine *topology.Topology, allowed []int) (hot, peer int, err error) {
	if f.plan != "" {
		p, err := readPlan(f.plan)
		if err != nil {
			return 0, 0, usage("--plan %v", err)
		}
		if hot, peer, err = workloads.Planned(machine, allowed, p); err != nil {
			return 0, 0, usage("--plan %s: %v", f.plan, err)
		}
		return hot, peer, nil
	}
	if len(allowed) == 1 {
		return allowed[0], allowed[0], nil
	}
	p, err := place.Choose(machine, topology.Matrix{}, []place.Role{place.Ingest, place.Generator, place.Housekeeping})
	if err != nil {
		return 0, 0, exit(exitUnmeasured, err)
	}
	hot, peer, err = workloads.Planned(machine, allowed, p)
	return hot, peer, exit(exitUnmeasured, err)
}

func readPlan(path string) (p place.Plan, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("%s is no plan of esc plan --json: %w", path, err)
	}
	return p, nil
}
