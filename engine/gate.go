package engine

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/dispatch"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

// gate is where events come in.
type gate struct {
	pools   []*memory.Pool   // one of each way in,
	intakes []*ingest.Intake // and who fills it
	tcp     *ingest.TCP      // nil without
	udp     netip.AddrPort   // where datagrams are really taken
	files   []*ingest.File

	results *ingest.Publisher // the engine's own way in, of what windows come to; nil without
	made    *ingest.Intake    // theirs
}

// stop takes nothing more in than what was sent by now.
func (g *gate) stop() {
	if g.tcp != nil {
		g.tcp.Stop()
	}
	for _, f := range g.files {
		f.Stop()
	}
}

// drained reports, after stop, whether all that has been taken in.
func (g *gate) drained() bool {
	for _, f := range g.files {
		if !f.Drained() {
			return false
		}
	}
	return g.tcp == nil || g.tcp.Drained()
}

// answered reports whether whoever asked has been told.
func (g *gate) answered() bool { return g.tcp == nil || g.tcp.Answered() }

// close ends the ways in that hold something open.
func (g *gate) close() (err error) {
	if g.tcp != nil {
		err = g.tcp.Close()
	}
	for _, f := range g.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// arrivals counts what came in, and what the engine made.
func (g *gate) arrivals(s *Stats) {
	for _, in := range g.intakes {
		if in == g.made {
			s.Created += in.Counters.Events.Load()
		} else {
			s.Received += in.Counters.Events.Load()
		}
	}
}

// pushback counts bytes, and how often senders were held back.
func (g *gate) pushback(s *Stats) {
	for _, in := range g.intakes {
		s.Bytes += in.Counters.Bytes.Load()
		s.LaneFull += in.Counters.LaneFull.Load()
		s.NoSlot += in.Counters.NoSlot.Load()
	}
}

// opening opens the ways in, one after the other.
type opening struct {
	*Engine
	dispatcher *dispatch.Dispatcher
	numbers    *ingest.Numbers
}

// assembleInputs opens every way in, and leads it to the dispatcher.
func (e *Engine) assembleInputs(d *dispatch.Dispatcher) error {
	o := &opening{e, d, ingest.NewNumbers(time.Now().UnixNano())}
	e.askers.Mode = wire.Mode(e.cfg.Log.Mode)
	for _, open := range []func() error{o.openTCP, o.openFiles, o.openFeeds, o.openPublishers, o.openResults} {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
}

func (o *opening) openTCP() error {
	if o.cfg.TCP.Address == "" {
		return nil
	}
	pool := len(o.gate.pools)
	intake, err := o.open(event.FromTCP)
	if err != nil {
		return err
	}
	if o.gate.tcp, err = ingest.Listen(o.cfg.TCP, intake); err != nil {
		return err
	}
	o.gate.tcp.Orders = &o.orders
	if err := o.gate.tcp.Answers(0, o.askers.Open(pool, ingest.Questions, o.staff.bells[Ingest])); err != nil {
		return err
	}
	for _, w := range o.gate.tcp.Workers {
		o.staff.workers[Ingest] = append(o.staff.workers[Ingest], w)
	}
	return o.openUDP()
}

func (o *opening) openUDP() error {
	if o.cfg.UDP.Address == "" {
		return nil
	}
	intake, err := o.open(event.FromUDP)
	if err != nil {
		return err
	}
	o.gate.udp, err = o.gate.tcp.ListenUDP(o.cfg.UDP, intake)
	return err
}

func (o *opening) openFiles() error {
	for _, input := range o.cfg.Files {
		intake, err := o.open(event.FromFile)
		if err != nil {
			return err
		}
		input.Clock, input.Log = o.cfg.Clock, o.cfg.Logger
		file, err := ingest.OpenFile(input, intake)
		if err != nil {
			return err
		}
		o.gate.files = append(o.gate.files, file)
	}
	return nil
}

func (o *opening) openFeeds() error {
	for _, feed := range o.cfg.Feeds {
		intake, err := o.open(event.FromPlugin)
		if err != nil {
			return err
		}
		o.staff.workers[Ingest] = append(o.staff.workers[Ingest], feed(ingest.NewPublisher(intake, event.FromPlugin)))
	}
	return nil
}

func (o *opening) openPublishers() error {
	for range o.cfg.Publishers {
		intake, err := o.open(event.FromInternal)
		if err != nil {
			return err
		}
		o.desk.free <- ingest.NewPublisher(intake, event.FromInternal)
	}
	return nil
}

// openResults is the way in of the results of windows.
func (o *opening) openResults() error {
	if o.cfg.Windows.Span == 0 {
		return nil
	}
	intake, err := o.openWith(houseClasses(), event.FromPlugin)
	if err != nil {
		return err
	}
	o.gate.results, o.gate.made = ingest.NewPublisher(intake, event.FromPlugin), intake
	return nil
}

func (o *opening) open(origin event.Origin) (*ingest.Intake, error) {
	return o.openWith(o.cfg.Pool, origin)
}

// openWith makes one way in: a pool, its return queue, and a lane to the
// dispatcher as deep as the widest lane behind it.
func (o *opening) openWith(classes memory.Classes, origin event.Origin) (*ingest.Intake, error) {
	home := queue.NewMPSC(make([]event.Ref, 1<<bits.Len(uint(classes.Slots()-1))))
	pool, err := memory.NewPool(o.arena, len(o.gate.pools), o.cfg.Plan.node(), classes, home)
	if err != nil {
		return nil, err
	}
	wall, err := cpu.NewTimeline(o.cfg.Clock, cpu.Realtime)
	if err != nil {
		return nil, err
	}
	lane := &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, ingestDepth)), Bell: o.staff.bells[Dispatch]}
	intake, err := ingest.NewIntake(pool, lane, wall, o.numbers)
	if err != nil {
		return nil, fmt.Errorf("pool classes: %w", err)
	}
	intake.Topics, intake.Offered = o.cfg.Topics, o.cfg.Trace.Stage(metrics.Offered)
	o.gate.pools, o.gate.intakes = append(o.gate.pools, pool), append(o.gate.intakes, intake)
	o.dispatcher.Add(lane, origin)
	return intake, nil
}

// ingestDepth is how many events may wait for the dispatcher: a few batches of
// every stage, so that pressure reaches the sender soon.
const ingestDepth = 4096
