package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/probes"
)

// settleIn keeps every thread but the plan's off the plan's CPUs, where there
// are others, and logs where all threads and all events' pages are found. What
// is not as planned is an error; what cannot be read back is said.
func settleIn(e *engine.Engine, log *slog.Logger) error {
	allowed, err := cpu.Allowed()
	if errors.Is(err, cpu.ErrUnsupported) {
		log.Info("placement unknown: this system does not say")
		return nil
	} else if err != nil {
		return exit(exitUnfit, err)
	}
	taken, keep := []int{}, map[int]bool{}
	for _, t := range e.Threads() {
		if t.CPU() != duty.Unpinned {
			taken, keep[t.ID] = append(taken, t.CPU()), true
		}
	}
	rest := slices.DeleteFunc(slices.Clone(allowed), func(c int) bool { return slices.Contains(taken, c) })
	placement, err := settledIn(e, keep, rest)
	if err != nil {
		return exit(exitUnfit, err)
	}
	for _, line := range placement.Lines() {
		log.Info("placed", "what", line)
	}
	if err := placement.Mismatch(len(rest) == 0); err != nil {
		return exit(exitUnfit, err)
	}
	return nil
}

// confineTries bounds how often threads that the runtime started meanwhile are
// sent after the others.
const confineTries = 10

// settledIn confines the threads that are not to be kept, and reads back.
func settledIn(e *engine.Engine, keep map[int]bool, rest []int) (placement probes.Placement, err error) {
	for range confineTries {
		if len(keep) > 0 && len(rest) > 0 {
			if err := cpu.Confine(keep, rest...); err != nil {
				return placement, err
			}
		}
		if placement, err = probes.PlacementOf(e); err != nil || placement.Mismatch(len(rest) == 0) == nil {
			break
		}
	}
	return placement, err
}

// threads makes the plan of its name, CPUs and idling.
func (s *settings) threads() (engine.Plan, error) {
	if s.helpers < 0 || s.helpers >= bus.SublanesMax {
		return engine.Plan{}, fmt.Errorf("threads.helpers: %d must be 0 to %d", s.helpers, bus.SublanesMax-1)
	}
	threads := plans[s.plan]
	cpus := slices.Repeat([]int{duty.Unpinned}, threads+s.helpers)
	if len(s.cpus) > 0 && len(s.cpus) != len(cpus) {
		plan := s.plan
		if s.helpers > 0 {
			plan += fmt.Sprintf(" with %d helper(s)", s.helpers)
		}
		return engine.Plan{}, fmt.Errorf("threads.cpus %s: plan %s has %d thread(s): name as many CPUs (--cpus)", cpuList(s.cpus), plan, len(cpus))
	}
	copy(cpus, s.cpus)
	plan := engine.Fused(cpus[0], s.idle)
	if s.plan != "fused" {
		plan = engine.Split(cpus[0], cpus[1], s.idle)
	}
	plan.Node = s.node
	plan.Sublanes = s.sublanes
	for i, on := range cpus[threads:] {
		plan.Helpers = append(plan.Helpers, engine.Thread{Name: fmt.Sprint("helper-", i+1), CPU: on, Idle: duty.Park})
	}
	return plan, nil
}

// usable refuses CPUs that this process may not run on, before anything is opened:
// a thread tries each. Which those are, the process's own mask does not say: isolated
// CPUs are not in it, and may be had. Where nothing can be pinned, that is said later.
func usable(cpus []int) error {
	for _, c := range cpus {
		pinned := make(chan error)
		go func() { pinned <- cpu.Pin(c) }() // the thread ends with it
		if err := <-pinned; err != nil && !errors.Is(err, cpu.ErrUnsupported) {
			return fmt.Errorf("threads.cpus %s: %w: esc probe topology lists them", cpuList(cpus), err)
		}
	}
	return nil
}
