package engine

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/dispatch"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/topic"
	"eventstreamcore/engine/wire"
)

// Inputs are the ways in. Each has a pool of slots of its own, 81 MiB by default.
type Inputs struct {
	TCP   ingest.Config    // where to take frames, and what a client may do; without Address nowhere
	UDP   ingest.Datagrams // and where datagrams, which may be lost: beside TCP only; without Address nowhere
	Files []ingest.Input   // each read by a thread of its own; up to 8

	// Topics is the table in force, or nil for none. Whoever holds the pointer may
	// put another table in at any time.
	Topics *atomic.Pointer[topic.Table]

	// Publishers is how many goroutines may publish at once: 0 to 32, default 1,
	// which Publish uses.
	Publishers int
	Feeds      []Feed
}

// Feed makes a worker that runs on the ingest thread and publishes from there:
// a source of events that polls, as TCP does.
type Feed func(*ingest.Publisher) duty.Worker

// Limits that leave room in a Ref's pool number for all ways in.
const (
	publishersMax = 32
	filesMax      = 8
)

func defaultInputs() Inputs {
	return Inputs{TCP: ingest.Default("", cpu.Clock{}), UDP: ingest.DefaultDatagrams(""), Publishers: 1}
}

func (in *Inputs) validate() error {
	switch {
	case in.Publishers < 0 || in.Publishers > publishersMax:
		return fmt.Errorf("publishers: %d must be 0 to %d", in.Publishers, publishersMax)
	case len(in.Files) > filesMax:
		return fmt.Errorf("input files: %d, must be at most %d", len(in.Files), filesMax)
	case in.UDP.Address != "" && in.TCP.Address == "":
		return errors.New("UDP port: there is no TCP port beside it, whose worker reads both: give one an address")
	}
	return in.UDP.Validate()
}

// ways is how many ways in there are.
func (in *Inputs) ways() (n int) {
	n = in.Publishers + len(in.Feeds) + len(in.Files)
	if in.TCP.Address != "" || n == 0 {
		n++
	}
	if in.UDP.Address != "" {
		n++
	}
	return n
}

// house is the memory for what the engine makes itself.
func (e *Engine) house() int {
	if e.cfg.Windows.Span == 0 {
		return 0
	}
	classes := houseClasses()
	return classes.Bytes()
}

// gate opens ways in, one after the other.
type gate struct {
	*Engine
	dispatcher *dispatch.Dispatcher
	numbers    *ingest.Numbers
}

// assembleInputs opens every way in, and leads it to the dispatcher.
func (e *Engine) assembleInputs(d *dispatch.Dispatcher) error {
	g := &gate{e, d, ingest.NewNumbers(time.Now().UnixNano())}
	e.askers.Mode = wire.Mode(e.cfg.Log.Mode)
	for _, open := range []func() error{g.openTCP, g.openFiles, g.openFeeds, g.openPublishers, g.openResults} {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
}

func (g *gate) openTCP() error {
	if g.cfg.TCP.Address == "" {
		return nil
	}
	pool := len(g.pools)
	intake, err := g.open(event.FromTCP)
	if err != nil {
		return err
	}
	if g.tcp, err = ingest.Listen(g.cfg.TCP, intake); err != nil {
		return err
	}
	g.tcp.Orders = &g.orders
	if err := g.tcp.Answers(0, g.askers.Open(pool, ingest.Questions, g.bells[Ingest])); err != nil {
		return err
	}
	for _, w := range g.tcp.Workers {
		g.workers[Ingest] = append(g.workers[Ingest], w)
	}
	return g.openUDP()
}

func (g *gate) openUDP() error {
	if g.cfg.UDP.Address == "" {
		return nil
	}
	intake, err := g.open(event.FromUDP)
	if err != nil {
		return err
	}
	g.udp, err = g.tcp.ListenUDP(g.cfg.UDP, intake)
	return err
}

func (g *gate) openFiles() error {
	for _, input := range g.cfg.Files {
		intake, err := g.open(event.FromFile)
		if err != nil {
			return err
		}
		input.Clock, input.Log = g.cfg.Clock, g.cfg.Logger
		file, err := ingest.OpenFile(input, intake)
		if err != nil {
			return err
		}
		g.files = append(g.files, file)
	}
	return nil
}

func (g *gate) openFeeds() error {
	for _, feed := range g.cfg.Feeds {
		intake, err := g.open(event.FromPlugin)
		if err != nil {
			return err
		}
		g.workers[Ingest] = append(g.workers[Ingest], feed(ingest.NewPublisher(intake, event.FromPlugin)))
	}
	return nil
}

func (g *gate) openPublishers() error {
	for range g.cfg.Publishers {
		intake, err := g.open(event.FromInternal)
		if err != nil {
			return err
		}
		g.publishers <- ingest.NewPublisher(intake, event.FromInternal)
	}
	return nil
}

// openResults is the way in of the results of windows.
func (g *gate) openResults() error {
	if g.cfg.Windows.Span == 0 {
		return nil
	}
	intake, err := g.openWith(houseClasses(), event.FromPlugin)
	if err != nil {
		return err
	}
	g.results, g.made = ingest.NewPublisher(intake, event.FromPlugin), intake
	return nil
}

func (g *gate) open(origin event.Origin) (*ingest.Intake, error) {
	return g.openWith(g.cfg.Pool, origin)
}

// openWith makes one way in: a pool, its return queue, and a lane to the
// dispatcher as deep as the widest lane behind it.
func (g *gate) openWith(classes memory.Classes, origin event.Origin) (*ingest.Intake, error) {
	home := queue.NewMPSC(make([]event.Ref, 1<<bits.Len(uint(classes.Slots()-1))))
	pool, err := memory.NewPool(g.arena, len(g.pools), g.cfg.Plan.node(), classes, home)
	if err != nil {
		return nil, err
	}
	wall, err := cpu.NewTimeline(g.cfg.Clock, cpu.Realtime)
	if err != nil {
		return nil, err
	}
	lane := &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, ingestDepth)), Bell: g.bells[Dispatch]}
	intake, err := ingest.NewIntake(pool, lane, wall, g.numbers)
	if err != nil {
		return nil, fmt.Errorf("pool classes: %w", err)
	}
	intake.Topics, intake.Offered = g.cfg.Topics, g.cfg.Trace.Stage(metrics.Offered)
	g.pools, g.intakes = append(g.pools, pool), append(g.intakes, intake)
	g.dispatcher.Add(lane, origin)
	return intake, nil
}

// ingestDepth is how many events may wait for the dispatcher: a few batches of
// every stage, so that pressure reaches the sender soon.
const ingestDepth = 4096

// startFiles runs each file on a thread of its own, beyond those of the plan, for
// it may wait for the disk.
func (e *Engine) startFiles() error {
	for _, f := range e.files {
		thread, err := duty.Start(duty.Plan{Name: "file", CPU: duty.Unpinned, Idle: duty.Park, Clock: e.cfg.Clock}, new(duty.Bell), f)
		if err != nil {
			return err
		}
		e.threads = append(e.threads, thread)
	}
	return nil
}

// stopInputs takes nothing more in than what was sent by now.
func (e *Engine) stopInputs() {
	if e.tcp != nil {
		e.tcp.Stop()
	}
	for _, f := range e.files {
		f.Stop()
	}
}

// drained reports, after stopInputs, whether all that has been taken in.
func (e *Engine) drained() bool {
	for _, f := range e.files {
		if !f.Drained() {
			return false
		}
	}
	return e.tcp == nil || e.tcp.Drained()
}

// closeInputs ends the ways in that hold something open.
func (e *Engine) closeInputs() (err error) {
	if e.tcp != nil {
		err = e.tcp.Close()
	}
	for _, f := range e.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// flushOwn hands over what Publish was told it had taken, and the lane had no
// room for then.
func (e *Engine) flushOwn() {
	if e.publishing.TryLock() {
		defer e.publishing.Unlock()
		if e.own != nil {
			e.own.Flush()
		}
	}
}
