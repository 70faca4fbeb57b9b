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

// open opens the logs, of events and of dead letters.
func (e *Engine) open() error {
	log, recovery, err := store.Open(e.cfg.Log)
	if err != nil {
		return err
	}
	e.log, e.Recovery = log, recovery
	if e.cfg.Dead.Dir == "" {
		e.cfg.Dead.Dir = DeadDir(e.cfg.Log.Dir)
	}
	return e.dead.open(e.cfg.Dead, e.cfg.Log.Mode, e.cfg.Logger)
}

// commits makes the committer of the real log.
func (e *Engine) commits() (process.Log, duty.Worker) {
	c := &committer{log: e.log.(*store.Log), failed: e.failed, store: e.staff.bells[Store], own: e.staff.bells[Commit]}
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
	e.staff = newStaff(e.cfg)
	if e.arena, err = memory.NewArena(e.cfg.ways()*e.cfg.Pool.Bytes() + e.house()); err != nil {
		return err
	}
	e.bus = bus.NewDivided(e.cfg.Plan.Sublanes, e.cfg.Lanes, e.cfg.Overflow[:]...)
	e.slots = &bus.Slots{Arena: e.arena}
	for lane, stage := range laneStages {
		at := e.bus.At(event.Lane(lane))
		for i := range e.bus.Routed[at].Parts {
			e.bus.Routed[at+i].Bell, e.bus.Processed[at+i].Bell = e.staff.bells[stage], e.staff.bells[Store]
		}
	}
	d := dispatch.New(e.bus)
	d.Taken = e.cfg.Trace.Stage(metrics.Routed)
	if err := e.assembleInputs(d); err != nil {
		return err
	}
	e.slots.Pools = e.gate.pools
	e.assembleLetters()
	d.Defend(dispatch.Defences{Orders: &e.orders, Chute: e.dead.chute(), Slots: e.slots, Marks: e.marks()})
	e.assembleBehindBus(commits)
	e.controller = e.newController()
	e.staff.workers[Dispatch] = []duty.Worker{d, e.controller}
	return nil
}

// laneStages are the stages that drain the lanes.
var laneStages = [event.Lanes]Stage{Realtime, Transactional, Batch}

func (e *Engine) assembleBehindBus(commits func() (process.Log, duty.Worker)) {
	e.seen = process.NewSeen(e.cfg.Dedup, e.cfg.Plan.Sublanes, e.cfg.Clock, e.memoryShort)
	for lane := range event.Lane(event.Lanes) {
		e.assembleLane(lane)
	}
	log, committer := commits()
	e.storer = process.NewStorer(e.bus, e.slots, e.dead.chute(), log, e.cfg.Clock, e.cfg.Trace)
	e.assembleWindows()
	if e.gate.tcp != nil {
		e.answer()
	}
	e.staff.workers[Store], e.staff.workers[Commit] = []duty.Worker{e.storer}, []duty.Worker{committer}
}

// assembleLane makes the processors of a lane's sub-lanes, and a crew of them
// where there are helpers to take some over.
func (e *Engine) assembleLane(lane event.Lane) {
	var workers []duty.Worker
	for i := range e.bus.Routed[e.bus.At(lane)].Parts {
		p := process.NewProcessor(e.bus, lane, i, e.slots, e.dead.chute(), e.cfg.Clock)
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
	if lane == event.LaneRealtime {
		e.staff.workers[Realtime] = workers
	} else {
		e.staff.divide(laneStages[lane], workers)
	}
}
