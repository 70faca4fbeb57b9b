package engine

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/dispatch"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// open opens the logs.
func (e *Engine) open() error {
	log, recovery, err := store.Open(e.cfg.Log)
	if err != nil {
		return err
	}
	e.log, e.Recovery = log, recovery
	return e.openLetters()
}

// commits makes the committer of the real log.
func (e *Engine) commits() (process.Log, duty.Worker) {
	c := &committer{log: e.log.(*store.Log), failed: e.failed, store: e.bells[Store], own: e.bells[Commit]}
	switch e.cfg.Log.Mode {
	case store.OS:
		c.every = e.cfg.Clock.Ticks(gatherFor.Nanoseconds())
	case store.Interval:
		c.keeper = e.cfg.Clock.Ticks(e.cfg.Log.Interval.Nanoseconds())
	}
	return c, c
}

// assemble makes the parts from the ground up: memory, lanes, stages. The last
// stage gathers into, and is committed by, what commits makes.
func (e *Engine) assemble(commits func() (process.Log, duty.Worker)) (err error) {
	e.cfg.Plan = e.cfg.Plan.complete(e.cfg.Log.Mode != store.OS)
	e.bells = map[Stage]*duty.Bell{}
	for _, t := range e.cfg.Plan.Threads {
		bell := new(duty.Bell)
		for _, s := range t.Stages {
			e.bells[s] = bell
		}
	}
	if e.arena, err = memory.NewArena(e.cfg.ways()*e.cfg.Pool.Bytes() + e.house()); err != nil {
		return err
	}
	e.bus = bus.NewDivided(e.cfg.Plan.Sublanes, e.cfg.Lanes, e.cfg.Overflow[:]...)
	e.slots = &bus.Slots{Arena: e.arena}
	for lane, stage := range laneStages {
		at := e.bus.At(event.Lane(lane))
		for i := range e.bus.Routed[at].Parts {
			e.bus.Routed[at+i].Bell, e.bus.Processed[at+i].Bell = e.bells[stage], e.bells[Store]
		}
	}
	e.workers = map[Stage][]duty.Worker{}
	d := dispatch.New(e.bus)
	d.Taken = e.cfg.Trace.Stage(metrics.Routed)
	if err := e.assembleInputs(d); err != nil {
		return err
	}
	e.slots.Pools = e.pools
	e.assembleLetters()
	d.Defend(dispatch.Defences{Orders: &e.orders, Chute: e.chute(), Slots: e.slots, Marks: e.marks()})
	e.assembleBehindBus(commits)
	e.controller = e.newController()
	e.workers[Dispatch] = []duty.Worker{d, e.controller}
	return nil
}

// laneStages are the stages that drain the lanes.
var laneStages = [event.Lanes]Stage{Realtime, Transactional, Batch}

func (e *Engine) assembleBehindBus(commits func() (process.Log, duty.Worker)) {
	for range e.cfg.Plan.Helpers {
		e.helperBells = append(e.helperBells, new(duty.Bell))
	}
	e.seen = process.NewSeen(e.cfg.Dedup, e.cfg.Plan.Sublanes, e.cfg.Clock, e.memoryShort)
	for lane := range event.Lane(event.Lanes) {
		e.assembleLane(lane)
	}
	log, committer := commits()
	e.storer = process.NewStorer(e.bus, e.slots, e.chute(), log, e.cfg.Clock, e.cfg.Trace)
	e.assembleWindows()
	if e.tcp != nil {
		e.answer()
	}
	e.workers[Store], e.workers[Commit] = []duty.Worker{e.storer}, []duty.Worker{committer}
}

// assembleLane makes the processors of a lane's sub-lanes, and a crew of them
// where there are helpers to take some over.
func (e *Engine) assembleLane(lane event.Lane) {
	var workers []duty.Worker
	for i := range e.bus.Routed[e.bus.At(lane)].Parts {
		p := process.NewProcessor(e.bus, lane, i, e.slots, e.chute(), e.cfg.Clock)
		p.Followers, p.Taken = &e.followers, e.cfg.Trace.Stage(metrics.Taken)
		e.processors[lane] = append(e.processors[lane], p)
		switch lane {
		case event.LaneRealtime:
			e.passing = append(e.passing, p.Attend(e.watchful()))
		case event.LaneTransactional:
			e.transact = append(e.transact, p.Transact(e.seen.Part(i), e.cfg.Handlers))
		case event.LaneBatch:
			e.passing = append(e.passing, p.Attend(e.cfg.Handlers))
		}
		workers = append(workers, p)
	}
	if stage := laneStages[lane]; lane == event.LaneRealtime || len(e.helperBells) == 0 {
		e.workers[stage] = workers
	} else {
		crew := duty.NewCrew(workers, append([]*duty.Bell{e.bells[stage]}, e.helperBells...)...)
		e.crews = append(e.crews, crew)
		e.workers[stage] = []duty.Worker{crew.Member(0)}
	}
}

// start runs the plan's threads, the last stages first, so that nothing is
// handed to a stage that does not run.
func (e *Engine) start() error {
	if err := e.startHelpers(); err != nil {
		return err
	}
	for i := len(e.cfg.Plan.Threads) - 1; i >= 0; i-- {
		t := e.cfg.Plan.Threads[i]
		var workers []duty.Worker
		for _, s := range t.Stages {
			workers = append(workers, e.workers[s]...)
		}
		if len(workers) == 0 { // ingest alone, with nothing to take in
			continue
		}
		if err := e.run(t, e.bells[t.Stages[0]], workers); err != nil {
			return err
		}
	}
	return e.startFiles()
}

// startHelpers runs the threads that take sub-lanes over when they are called.
func (e *Engine) startHelpers() error {
	for i, t := range e.cfg.Plan.Helpers {
		if err := e.run(t, e.helperBells[i], e.helper(i)); err != nil {
			return err
		}
	}
	return nil
}

// helper is a helper's part in each crew.
func (e *Engine) helper(i int) (workers []duty.Worker) {
	for _, c := range e.crews {
		workers = append(workers, c.Member(1+i))
	}
	return workers
}

func (e *Engine) run(t Thread, bell *duty.Bell, workers []duty.Worker) error {
	plan := duty.Plan{Name: t.Name, CPU: t.CPU, Idle: t.Idle, Clock: e.cfg.Clock}
	if e.cfg.Gaps > 0 {
		plan.Gaps = metrics.NewGaps(e.cfg.Clock, e.cfg.Gaps)
	}
	thread, err := duty.Start(plan, bell, workers...)
	if err == nil {
		e.threads = append([]*duty.Thread{thread}, e.threads...)
	}
	return err
}
