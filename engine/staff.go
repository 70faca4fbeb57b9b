package engine

import (
	"slices"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/metrics"
)

// staff is who steps the stages: their workers, and the threads that the plan
// puts them on.
type staff struct {
	plan  Plan
	clock cpu.Clock
	gaps  int // of its own that each thread keeps

	workers     map[Stage][]duty.Worker
	bells       map[Stage]*duty.Bell
	crews       []*duty.Crew // of the sub-lanes that helpers may take over
	helperBells []*duty.Bell
	threads     []*duty.Thread // that run, in the plan's order
}

// newStaff is a staff without workers, of a plan that is complete.
func newStaff(cfg Config) staff {
	s := staff{plan: cfg.Plan, clock: cfg.Clock, gaps: cfg.Gaps, workers: map[Stage][]duty.Worker{}, bells: map[Stage]*duty.Bell{}}
	for _, t := range s.plan.Threads {
		bell := new(duty.Bell)
		for _, stage := range t.Stages {
			s.bells[stage] = bell
		}
	}
	for range s.plan.Helpers {
		s.helperBells = append(s.helperBells, new(duty.Bell))
	}
	return s
}

// divide gives a stage the workers of its sub-lanes, for helpers to take some
// over where there are any.
func (s *staff) divide(stage Stage, workers []duty.Worker) {
	if len(s.helperBells) == 0 {
		s.workers[stage] = workers
		return
	}
	crew := duty.NewCrew(workers, append([]*duty.Bell{s.bells[stage]}, s.helperBells...)...)
	s.crews = append(s.crews, crew)
	s.workers[stage] = []duty.Worker{crew.Member(0)}
}

// helper is a helper's part in each crew.
func (s *staff) helper(i int) (workers []duty.Worker) {
	for _, c := range s.crews {
		workers = append(workers, c.Member(1+i))
	}
	return workers
}

// start runs the helpers and the plan's threads, the last stages first, so that
// nothing is handed to a stage that does not run.
func (s *staff) start() error {
	for i, t := range s.plan.Helpers {
		if err := s.run(t, s.helperBells[i], s.helper(i)); err != nil {
			return err
		}
	}
	for _, t := range slices.Backward(s.plan.Threads) {
		var workers []duty.Worker
		for _, stage := range t.Stages {
			workers = append(workers, s.workers[stage]...)
		}
		if len(workers) == 0 { // ingest alone, with nothing to take in
			continue
		}
		if err := s.run(t, s.bells[t.Stages[0]], workers); err != nil {
			return err
		}
	}
	return nil
}

func (s *staff) run(t Thread, bell *duty.Bell, workers []duty.Worker) error {
	plan := duty.Plan{Name: t.Name, CPU: t.CPU, Idle: t.Idle, Clock: s.clock}
	if s.gaps > 0 {
		plan.Gaps = metrics.NewGaps(s.clock, s.gaps)
	}
	thread, err := duty.Start(plan, bell, workers...)
	if err == nil {
		s.threads = append([]*duty.Thread{thread}, s.threads...)
	}
	return err
}

// read runs each file on a thread of its own, beyond those of the plan, for it
// may wait for the disk.
func (s *staff) read(files []*ingest.File) error {
	for _, f := range files {
		thread, err := duty.Start(duty.Plan{Name: "file", CPU: duty.Unpinned, Idle: duty.Park, Clock: s.clock}, new(duty.Bell), f)
		if err != nil {
			return err
		}
		s.threads = append(s.threads, thread)
	}
	return nil
}

func (s *staff) stop() {
	for _, t := range s.threads {
		t.Stop()
	}
}
