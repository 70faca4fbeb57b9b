package main

import (
	"errors"
	"log/slog"
	"slices"

	"eventstreamcore/engine"
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
