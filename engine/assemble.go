package engine

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/dispatch"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/store"
)

// assemble makes the parts from the ground up: log, memory, lanes, stages.
func (e *Engine) assemble() (err error) {
	if e.log, e.Recovery, err = store.Open(e.cfg.Log); err != nil {
		return err
	}
	e.cfg.Plan = e.cfg.Plan.withCommit(e.cfg.Log.Mode != store.OS)
	e.bells = map[Stage]*duty.Bell{}
	for _, t := range e.cfg.Plan.Threads {
		bell := new(duty.Bell)
		for _, s := range t.Stages {
			e.bells[s] = bell
		}
	}
	if e.arena, err = memory.NewArena(e.ways() * e.cfg.Pool.Bytes()); err != nil {
		return err
	}
	e.bus = bus.New(e.cfg.Lanes)
	for lane, stage := range [event.Lanes]Stage{Realtime, Transactional, Batch} {
		e.bus.Routed[lane].Bell = e.bells[stage]
		e.bus.Processed[lane].Bell = e.bells[Store]
	}
	e.workers = map[Stage][]duty.Worker{}
	sources, err := e.assembleIngest()
	if err != nil {
		return err
	}
	e.workers[Dispatch] = []duty.Worker{dispatch.New(e.bus, sources...)}
	e.assembleBehindBus()
	return nil
}

// ways is how many ways in there are, each with a pool of its own.
func (e *Engine) ways() (n int) {
	n = e.cfg.Publishers + len(e.cfg.Feeds)
	if e.cfg.TCP.Address != "" || n == 0 {
		n++
	}
	return n
}

func (e *Engine) assembleIngest() (sources []dispatch.Source, err error) {
	numbers := ingest.NewNumbers(e.Recovery.Last)
	open := func() (*ingest.Intake, error) {
		intake, lane, err := e.openIntake(numbers)
		sources = append(sources, lane)
		return intake, err
	}
	if e.cfg.TCP.Address != "" {
		intake, err := open()
		if err != nil {
			return nil, err
		}
		if e.tcp, err = ingest.Listen(e.cfg.TCP, intake); err != nil {
			return nil, err
		}
		for _, w := range e.tcp.Workers {
			e.workers[Ingest] = append(e.workers[Ingest], w)
		}
	}
	for _, feed := range e.cfg.Feeds {
		intake, err := open()
		if err != nil {
			return nil, err
		}
		e.workers[Ingest] = append(e.workers[Ingest], feed(ingest.NewPublisher(intake, event.FromPlugin)))
	}
	for range e.cfg.Publishers {
		intake, err := open()
		if err != nil {
			return nil, err
		}
		e.publishers <- ingest.NewPublisher(intake, event.FromInternal)
	}
	return sources, nil
}

// openIntake makes one way in: a pool, its return queue, and a lane to the
// dispatcher as deep as the widest lane behind it.
func (e *Engine) openIntake(numbers *ingest.Numbers) (*ingest.Intake, *bus.Lane, error) {
	home := queue.NewMPSC(make([]event.Ref, 1<<bits.Len(uint(e.cfg.Pool.Slots()-1))))
	pool, err := memory.NewPool(e.arena, len(e.pools), -1, e.cfg.Pool, home)
	if err != nil {
		return nil, nil, err
	}
	wall, err := cpu.NewTimeline(e.cfg.Clock, cpu.Realtime)
	if err != nil {
		return nil, nil, err
	}
	lane := &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, ingestDepth)), Bell: e.bells[Dispatch]}
	intake, err := ingest.NewIntake(pool, lane, wall, numbers)
	if err != nil {
		return nil, nil, fmt.Errorf("pool classes: %w", err)
	}
	e.pools, e.intakes = append(e.pools, pool), append(e.intakes, intake)
	return intake, lane, nil
}

// ingestDepth is how many events may wait for the dispatcher: a few batches of
// every stage, so that pressure reaches the sender soon.
const ingestDepth = 4096

func (e *Engine) assembleBehindBus() {
	for lane, stage := range [event.Lanes]Stage{Realtime, Transactional, Batch} {
		e.processors[lane] = process.NewProcessor(e.bus, event.Lane(lane), e.arena, e.cfg.Clock)
		e.workers[stage] = []duty.Worker{e.processors[lane]}
	}
	c := &committer{log: e.log, failed: e.failed, store: e.bells[Store], own: e.bells[Commit]}
	if e.cfg.Log.Mode == store.OS {
		c.every = e.cfg.Clock.Ticks(gatherFor.Nanoseconds())
	}
	e.storer = process.NewStorer(e.bus, e.arena, c, e.pools, e.cfg.Clock, e.cfg.Trace)
	e.workers[Store], e.workers[Commit] = []duty.Worker{e.storer}, []duty.Worker{c}
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
		thread, err := duty.Start(plan, e.bells[t.Stages[0]], workers...)
		if err != nil {
			return err
		}
		e.threads = append([]*duty.Thread{thread}, e.threads...)
	}
	return nil
}

// nap bounds the sleep of the thread that syncs by the clock; 0 leaves it to the
// thread.
func (e *Engine) nap(t Thread) time.Duration {
	if e.cfg.Log.Mode == store.Interval && slices.Contains(t.Stages, Commit) {
		return e.cfg.Log.Interval
	}
	return 0
}
