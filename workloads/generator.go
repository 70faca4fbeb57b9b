package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/workloads/drive"
)

// generator publishes events from a CPU of its own, at the times of a schedule
// or as fast as they are taken, and notes of each event what only it can know.
// It belongs to one goroutine.
type generator struct {
	clock cpu.Clock
	now   func() cpu.Ticks
	on    int // CPU
	into  entrance
	batch [turnMost]ingest.Event
	notes []note        // of the events of a run, in order; touched before it
	gaps  *metrics.Gaps // its own; nil notes none
}

// entrance is where events go: an ingest.Publisher.
type entrance interface {
	PublishBatch([]ingest.Event) (int, error)
	Flush() bool
}

// note is what the generator knows of an event.
type note struct {
	due      cpu.Ticks
	late     cpu.Ticks // by how much the generator itself was
	intended int64     // due, on CLOCK_MONOTONIC_RAW
}

// turnMost is the most that one turn publishes of what has come due meanwhile.
const turnMost = 64

func newGenerator(clock cpu.Clock, on int, into entrance, e ingest.Event, most int) *generator {
	g := &generator{clock: clock, now: cpu.Now, on: on, into: into, notes: make([]note, most)}
	for i := range g.batch {
		g.batch[i] = e
	}
	return g
}

// pacedRun is how a run of the generator went.
type pacedRun struct {
	took   time.Duration // from the first event's time until the last was taken
	wanted time.Duration // what the schedule takes
	own    time.Duration // for which the generator itself was late
	lost   uint64        // events that the engine gave up on
	wrong  string        // why it does not count
	err    error
}

// A run counts as one at its rate if it takes longer than its schedule by at most
// a share, or by one of the gaps that a host tears into it: what was due then
// went late, and its latency counts from when it was due.
const (
	paceSlack = 0.05
	paceGap   = 10 * time.Millisecond
)

// kept reports whether events were taken at the rate at which they were due.
func (p pacedRun) kept() bool {
	return p.took-p.wanted <= max(time.Duration(paceSlack*float64(p.wanted)), paceGap)
}

// judge says why the run does not count: a generator that falls behind by its
// own doing, more than by the engine's, measures itself.
func (p pacedRun) judge() string {
	switch {
	case p.err != nil:
		return p.err.Error()
	case !p.kept() && p.own > (p.took-p.wanted)/2:
		return fmt.Sprintf("the generator itself fell %v behind its schedule of %v", (p.took - p.wanted).Round(time.Millisecond), p.wanted.Round(time.Millisecond))
	}
	return ""
}

// plan lays out n events by the schedule, the first of them a little after now.
func (g *generator) plan(s drive.Schedule, n int) (start cpu.Ticks, err error) {
	g.notes = g.notes[:n]
	pacer := drive.NewPacer(s)
	anchor, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	if err != nil {
		return 0, err
	}
	start = g.now() + g.clock.Ticks(planLead+planEach*int64(n))
	for i := range g.notes {
		due := start + g.clock.Ticks(pacer.Take())
		g.notes[i] = note{due: due, intended: anchor.Ns + g.clock.Ns(due-anchor.Ticks)}
	}
	return start, nil
}

// What planning takes at the most, in ns: so the first event lies ahead of it.
const (
	planLead = 500_000
	planEach = 50
)

// pace publishes n events by the schedule. What is late goes at once; its intended time
// stays what it was. The generator is late by itself from the moment at which an
// event was due and it was free to publish it: while the engine takes another
// event, or has no room, the event waits for admission.
func (g *generator) pace(s drive.Schedule, n int) (run pacedRun) {
	start, err := g.plan(s, n)
	if err != nil {
		return pacedRun{err: err}
	}
	var own cpu.Ticks
	free, refused, limit := start, false, g.clock.Ticks(int64(trialLimit))
	g.rest()
	for next, have := 0, 0; next < n; {
		now := g.now()
		if g.gaps != nil {
			g.gaps.Round(now, have > 0)
		}
		have = g.gather(next, now)
		if have == 0 {
			continue
		}
		if refused {
			free = now
		}
		taken, err := g.into.PublishBatch(g.batch[:have])
		for i := range g.notes[next : next+taken] {
			note := &g.notes[next+i]
			note.late = now - min(max(note.due, free), now)
		}
		if taken > 0 {
			own += g.notes[next].late
		}
		next, refused = next+taken, taken < have
		if free = g.now(); free-start > limit && int64(free-start) > 0 {
			return pacedRun{err: fmt.Errorf("the engine took nothing more: %w", err)}
		}
	}
	took, wanted := g.now()-start, g.notes[n-1].due-start
	g.flush(start + limit)
	return pacedRun{took: g.span(took), wanted: g.span(wanted), own: g.span(own)}
}

// rest says that the loop did not turn until now.
func (g *generator) rest() {
	if g.gaps != nil {
		g.gaps.Skip()
	}
}

func (g *generator) span(t cpu.Ticks) time.Duration { return time.Duration(g.clock.Ns(t)) }

// gather readies the events that are due, from the next one on, and says how many.
func (g *generator) gather(next int, now cpu.Ticks) (have int) {
	for have < turnMost && next+have < len(g.notes) && g.notes[next+have].due <= now {
		g.batch[have].Intended = uint64(g.notes[next+have].intended)
		have++
	}
	return have
}

// flood publishes n events as fast as they are taken: a closed loop.
func (g *generator) flood(n int) error {
	limit := g.now() + g.clock.Ticks(int64(trialLimit))
	for n > 0 {
		taken, err := g.into.PublishBatch(g.batch[:min(n, turnMost)])
		if n -= taken; g.now() > limit {
			return fmt.Errorf("the engine took nothing more: %w", err)
		}
	}
	g.flush(limit)
	return nil
}

// flush hands over what the lane had no room for.
func (g *generator) flush(limit cpu.Ticks) {
	for !g.into.Flush() && g.now() < limit {
	}
}
