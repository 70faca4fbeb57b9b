// Package engine assembles the stages into one engine: New, Publish, Run, Close.
//
// It takes the position that an engine is told everything: where its threads
// run, how large its lanes are, where its log lies. It discovers no hardware,
// starts nothing behind its user's back, and when the log fails it stops rather
// than acknowledge what it cannot keep. It knows nothing of those who measure
// it, beyond handing them a Trace to fill.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// Config is what an engine is made of. Default fills everything but the folder.
type Config struct {
	Log store.Config // the folder of segments, their size, and when they are synced

	Inputs

	Plan  Plan
	Pool  memory.Classes // slots for each way in; too few hold senders back early
	Lanes bus.Depths     // events in each lane; too few hold senders back early, or drop

	Pressure
	Processing

	// Replicated is how far the log is on the disks of a majority, for a cluster to
	// advance while the engine runs. Nil, or a log in mode os: a frame that asks for
	// it is answered unavailable.
	Replicated *process.Watermark

	// Drain bounds how long Run goes on after it was told to stop, for what was
	// already taken in: default 2 s.
	Drain time.Duration

	Trace  *metrics.Trace // filled with every event's stamps; nil for none
	Gaps   int            // how many of its own gaps each thread keeps; 0 notes none
	Clock  cpu.Clock      // calibrated by New if zero, which takes some 15 ms
	Logger *slog.Logger   // default slog.Default
}

// Default is an engine that keeps its log in dir, on one thread that the kernel
// may place.
func Default(dir string) Config {
	return Config{
		Log:        store.Default(dir),
		Inputs:     defaultInputs(),
		Plan:       Fused(duty.Unpinned, duty.Park),
		Pool:       memory.DefaultClasses(),
		Lanes:      bus.DefaultDepths(),
		Pressure:   defaultPressure(),
		Processing: defaultProcessing(),
		Drain:      2 * time.Second,
	}
}

// Validate says what is out of range, or returns nil.
func (c Config) Validate() error {
	if c.Drain <= 0 || c.Drain > time.Minute {
		return fmt.Errorf("drain time: %v must be above 0 and at most 1m", c.Drain)
	}
	if k := c.Plan.sublanes(); min(c.Lanes[event.LaneTransactional], c.Lanes[event.LaneBatch]) < bus.DepthMin*k {
		return fmt.Errorf("lanes: depths %v leave their %d sub-lanes fewer than %d events each: raise them, or divide them less", c.Lanes, k, bus.DepthMin)
	}
	return errors.Join(c.Log.Validate(), c.Inputs.validate(), c.Plan.Validate(), c.Pool.Validate(), c.Lanes.Validate(), c.Pressure.validate(), c.Processing.validate())
}

// Engine is a running, or runnable, engine.
type Engine struct {
	Recovery store.Recovery // what New found in the log's folder
	Plane    *control.Plane // decides what is done about pressure

	cfg Config

	// What the stages stand on.
	arena *memory.Arena
	slots *bus.Slots
	bus   *bus.Bus

	// The data's way: in, dispatch and bus, process, store.
	gate       gate
	processors [event.Lanes][]*process.Processor // of their sub-lanes
	seen       *process.Seen
	transact   []*process.Transactions
	passing    []*process.Passing
	followers  process.Followers
	windows    *process.Aggregator // nil without
	storer     *process.Storer
	log        keeper

	// The way of what is given up on, the ways back, and who steps it all.
	dead       letters
	askers     bus.Askers
	orders     bus.Orders
	controller *controller
	staff      staff

	running  chan struct{} // closed when all threads run
	failed   chan error    // the first failure of the log
	stopped  sync.Once
	released sync.Once

	desk desk // the last: who publishes writes to it, and the stages read what is above
}

// New opens the log, recovering what a crash left, listens, and makes the
// stages. Nothing runs before Run; senders may connect already.
func New(cfg Config) (_ *Engine, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Clock == (cpu.Clock{}) {
		if cfg.Clock, err = cpu.Calibrate(); err != nil {
			return nil, err
		}
	}
	cfg.TCP.Clock, cfg.TCP.Log, cfg.TCP.Promise = cfg.Clock, cfg.Logger, cfg.promise()
	e := unassembled(cfg)
	err = e.open()
	if err == nil {
		err = e.assemble(e.commits)
	}
	if err == nil {
		err = e.remember()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func unassembled(cfg Config) *Engine {
	return &Engine{
		Plane:   control.NewPlane(cfg.Control),
		cfg:     cfg,
		running: make(chan struct{}),
		failed:  make(chan error, 1),
		desk:    desk{free: make(chan *ingest.Publisher, cfg.Publishers)},
	}
}

// Run runs the engine until ctx is done or the log fails; then it stops reading,
// drains what was taken in, seals the log and returns: nil, the failure, or an
// UndrainedError.
func (e *Engine) Run(ctx context.Context) error {
	err := e.staff.start()
	if err == nil {
		err = e.staff.read(e.gate.files)
	}
	if err != nil {
		return errors.Join(err, e.stop())
	}
	defer e.alert()()
	close(e.running)
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-e.failed:
	}
	e.gate.stop()
	return errors.Join(failure, e.drain(), e.stop())
}

// Running is closed once every thread of the plan runs where it should.
func (e *Engine) Running() <-chan struct{} { return e.running }

// Close frees what New took; after Run only memory is left to free. Nobody may
// publish any more.
func (e *Engine) Close() error {
	err := e.stop()
	e.release()
	return err
}

// UndrainedError counts the events that were taken in and are not in the log.
type UndrainedError struct {
	Left uint64
	Took time.Duration
}

func (e *UndrainedError) Error() string {
	return fmt.Sprintf("%d events were not stored within %v", e.Left, e.Took)
}

// drain waits until everything taken in has met its fate, and whoever asked has
// been told. Where the log has failed, that is to be given up on.
func (e *Engine) drain() error {
	deadline := time.Now().Add(e.cfg.Drain)
	e.controller.ended.Store(true)
	for {
		e.desk.flush()
		left := e.Stats().InFlight()
		settled := left == 0 && e.gate.drained() && e.resulted()
		switch {
		case settled && e.gate.answered():
			return nil
		case time.Now().Before(deadline):
			time.Sleep(time.Millisecond)
		case settled:
			e.cfg.Logger.Warn("some answers were not to be had, or not taken, within the drain time: their clients do not know", "drain", e.cfg.Drain)
			return nil
		default:
			return &UndrainedError{Left: left, Took: e.cfg.Drain}
		}
	}
}

// resulted asks for the results of the window that is open, once nothing more
// can go into it, and reports whether they are made.
func (e *Engine) resulted() bool {
	if e.windows == nil || e.windows.Finished() && e.Stats().InFlight() == 0 {
		return true
	}
	e.windows.Finish()
	e.staff.bells[Store].Ring()
	return false
}

// stop ends the threads, then the connections, then the log.
func (e *Engine) stop() (err error) {
	e.stopped.Do(func() {
		e.staff.stop()
		err = e.gate.close()
		if e.log != nil {
			err = errors.Join(err, e.log.Close())
		}
		err = errors.Join(err, e.dead.close())
	})
	return err
}

// release gives the events' memory back.
func (e *Engine) release() {
	e.released.Do(func() {
		if e.arena != nil {
			e.arena.Close()
		}
	})
}
