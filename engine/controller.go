package engine

import (
	"log/slog"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// controller is the worker that shows the plane how the engine fares, ten times
// a second, and carries out what it decides.
type controller struct {
	plane      *control.Plane
	thresholds control.Thresholds
	lanes      []bus.Lane
	stats      func(*Stats)  // received and dropped
	unheard    func() uint64 // datagrams that the kernel dropped, for the engine did not come for them
	processors *[event.Lanes][]*process.Processor
	crews      []*duty.Crew
	helpers    int
	full       func() bool          // the log has no room on its disk
	damage     func() *store.Damage // what the log's scrub has found; nil once it was said
	orders     *bus.Orders
	clock      cpu.Clock
	log        *slog.Logger

	began time.Time // at the counter's first
	first cpu.Ticks
	due   cpu.Ticks
	last  control.Decision
	ended atomic.Bool // the engine stops: what is in it is to come out
}

func (e *Engine) newController() *controller {
	return &controller{
		plane: e.Plane, thresholds: e.cfg.Control, lanes: e.bus.Routed, stats: e.pressure,
		unheard: func() uint64 { return e.Datagrams().Dropped }, processors: &e.processors,
		crews: e.staff.crews, helpers: len(e.cfg.Plan.Helpers),
		full: e.log.Full, damage: e.log.Damage, orders: &e.orders, clock: e.cfg.Clock, log: e.cfg.Logger, began: time.Now(), first: cpu.Now(),
	}
}

// pressure is what of the figures a plane wants.
func (e *Engine) pressure(s *Stats) {
	e.fates(s)
	e.gate.arrivals(s)
}

// Step evaluates when it is due. It reports no work: a thread need not stay
// awake for it.
func (c *controller) Step(now cpu.Ticks) int {
	if now < c.due {
		return 0
	}
	c.due = now + c.clock.Ticks(control.Every.Nanoseconds())
	c.obey(c.plane.Step(c.sample(now)))
	c.warn()
	return 0
}

// Due is when the plane is shown the next sample.
func (c *controller) Due(cpu.Ticks) cpu.Ticks { return c.due }

// warn says once that the log is damaged.
func (c *controller) warn() {
	if c.damage == nil {
		return
	}
	if d := c.damage(); d != nil {
		c.log.Error("the log is damaged, what comes is stored still: stop, save a copy, then run esc log repair", "damage", d.String())
		c.damage = nil
	}
}

// sample is what the plane is to judge. Dropped are those that found a lane
// full, or the socket: never those that an order gave up on.
func (c *controller) sample(now cpu.Ticks) control.Sample {
	var stats Stats
	c.stats(&stats)
	unheard := c.unheard()
	s := control.Sample{
		Now:      c.began.Add(time.Duration(c.clock.Ns(now - c.first))),
		Received: stats.Received + unheard,
		Dropped:  stats.Dropped[wire.ReasonQueueFull] + unheard,
	}
	for i := range c.lanes { // a lane is as full as the fullest of its sub-lanes
		l := &c.lanes[i]
		s.Depth = max(s.Depth, c.thresholds.Depth(l.Len()*l.Parts, l.Cap()*l.Parts))
	}
	for _, sublanes := range c.processors {
		for _, p := range sublanes {
			s.Latency = max(s.Latency, p.Meter.Peak())
		}
	}
	if c.full() {
		s.Depth = fullDisk
	}
	return s
}

// tellWorkers says how many work from now on.
func (c *controller) tellWorkers(more bool) {
	switch {
	case c.helpers > 0 && more:
		c.log.Info("more workers: helpers take sub-lanes over", "helpers", c.helpers)
	case c.helpers > 0:
		c.log.Info("fewer workers: helpers give sub-lanes back", "helpers", c.helpers)
	case more:
		c.log.Info("no spare CPU for more workers: each lane keeps the one that the plan gives it")
	}
}

// fullDisk is the depth that a log without room counts as: beyond every bound,
// for nothing leaves the engine until there is some.
const fullDisk = 2

func (c *controller) obey(d control.Decision) {
	if c.ended.Load() {
		c.orders.Give(bus.Order{})
		return
	}
	if d == c.last {
		return
	}
	c.orders.Give(bus.Order{Least: d.Least, PauseTransactions: d.PauseTransactions})
	for _, crew := range c.crews {
		crew.Work(c.members(d))
	}
	c.tell(d)
	c.last = d
}

// members are how many threads are to drain the divided lanes.
func (c *controller) members(d control.Decision) int {
	if d.MoreWorkers {
		return 1 + c.helpers
	}
	return 1
}

// tell logs a transition with the figures that caused it.
func (c *controller) tell(d control.Decision) {
	s := c.plane.Status()
	if d.State != c.last.State {
		f := s.Figures
		c.log.Warn("pipeline state", "from", c.last.State.String(), "to", d.State.String(), "by_hand", s.Manual,
			"depth", f.Depth, "drop_rate", f.DropRate, "received", f.Received, "dropped", f.Dropped)
	}
	if d.MoreWorkers != c.last.MoreWorkers {
		c.tellWorkers(d.MoreWorkers)
	}
	if d.Late && !c.last.Late {
		c.log.Warn("events are processed late", "worst", time.Duration(s.Figures.LatencyNs), "max", c.thresholds.MaxLatency)
	}
}
