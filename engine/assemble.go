package engine

import (
	"slices"
	"time"

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
	if e.cfg.Log.Mode == store.OS {
		c.every = e.cfg.Clock.Ticks(gatherFor.Nanoseconds())
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
	e.bus = bus.New(e.cfg.Lanes, e.cfg.Overflow[:]...)
	e.slots = &bus.Slots{Arena: e.arena}
	for lane, stage := range [event.Lanes]Stage{Realtime, Transactional, Batch} {
		e.bus.Routed[lane].Bell = e.bells[stage]
		e.bus.Processed[lane].Bell = e.bells[Store]
	}
	e.workers = map[Stage][]duty.Worker{}
	d := dispatch.New(e.bus)
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

func (e *Engine) assembleBehindBus(commits func() (process.Log, duty.Worker)) {
	for lane, stage := range [event.Lanes]Stage{Realtime, Transactional, Batch} {
		p := process.NewProcessor(e.bus, event.Lane(lane), e.slots, e.chute(), e.cfg.Clock)
		p.Followers = &e.followers
		e.processors[lane] = p
		e.workers[stage] = []duty.Worker{p}
	}
	e.seen = process.NewSeen(e.cfg.Dedup, e.cfg.Clock, e.memoryShort)
	e.transact = e.processors[event.LaneTransactional].Transact(e.seen, e.cfg.Handlers)
	e.passing[event.LaneRealtime] = e.processors[event.LaneRealtime].Attend(e.watchful())
	e.passing[event.LaneBatch] = e.processors[event.LaneBatch].Attend(e.cfg.Handlers)
	log, committer := commits()
	e.storer = process.NewStorer(e.bus, e.slots, e.chute(), log, e.cfg.Clock, e.cfg.Trace)
	e.assembleWindows()
	if e.tcp != nil {
		e.answer()
	}
	e.workers[Store], e.workers[Commit] = []duty.Worker{e.storer}, []duty.Worker{committer}
}

// start runs the plan's threads, the last stages first, so that nothing is
// handed to a stage that does not run.
func (e *Engine) start() error {
	for i := len(e.cfg.Plan.Threads) - 1; i >= 0; i-- {
		t := e.cfg.Plan.Threads[i]
		var workers []duty.Worker
		for _, s := range t.Stages {
			workers = append(workers, e.workers[s]...)
		}
		if len(workers) == 0 { // ingest alone, with nothing to take in
			continue
		}
		plan := duty.Plan{Name: t.Name, CPU: t.CPU, Idle: t.Idle, Nap: e.nap(t), Clock: e.cfg.Clock}
		if e.cfg.Gaps > 0 {
			plan.Gaps = metrics.NewGaps(e.cfg.Clock, e.cfg.Gaps)
		}
		thread, err := duty.Start(plan, e.bells[t.Stages[0]], workers...)
		if err != nil {
			return err
		}
		e.threads = append([]*duty.Thread{thread}, e.threads...)
	}
	return e.startFiles()
}

// nap bounds the sleep of the thread that syncs by the clock; 0 leaves it to the
// thread.
func (e *Engine) nap(t Thread) time.Duration {
	if e.cfg.Log.Mode == store.Interval && slices.Contains(t.Stages, Commit) {
		return e.cfg.Log.Interval
	}
	return 0
}
