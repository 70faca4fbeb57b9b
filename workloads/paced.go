package workloads

import (
	"errors"
	"fmt"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/workloads/drive"
)

// pacedRig is an engine, a generator for the peer CPU, and room for
// what is known of each event of one run.
type pacedRig struct {
	*rig
	generator *generator
	trace     *metrics.Trace
	course    *course
}

// madeMost is room in a trace for what the engine makes itself: results of windows.
const madeMost = 256

// regime is what an open loop is for.
type regime struct {
	trace    func(events int) *metrics.Trace
	overflow bus.Policies
}

var (
	// forLatency holds every sender, so that all that was sent is stored, and can
	// trace each part of its way.
	forLatency = regime{trace: metrics.NewStagedTrace}

	// forCapacity has the engine give up on events as it does unless it is told
	// otherwise: beyond its capacity that is part of the answer. What stages would
	// note of each event would be seen in it.
	forCapacity = regime{trace: metrics.NewTrace, overflow: bus.DefaultPolicies()}
)

// newPacedRig has room for most events.
func (b *Bench) newPacedRig(plan engine.Plan, e ingest.Event, why regime, most int, handlers ...process.Handler) (*pacedRig, error) {
	p := &pacedRig{trace: why.trace(most + madeMost), course: newCourse(publishedParts, most)}
	p.trace.Stamp(false)
	r, err := b.newRig(func(c *engine.Config) {
		c.Plan, c.Publishers, c.Trace, c.Handlers, c.Overflow = plan, 1, p.trace, handlers, why.overflow
	}, nil)
	if err != nil {
		return nil, err
	}
	p.rig = r
	publisher, err := r.engine.Publisher()
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	p.generator = newGenerator(b.Clock, b.Peer, publisher, e, most)
	p.generator.gaps = metrics.NewGaps(b.Clock, gapsKept)
	p.loops = append(p.loops, loopWatch{"generator", b.Peer, p.generator.gaps})
	return p, nil
}

// run publishes n events by the schedule from the peer and keeps their course.
func (p *pacedRig) run(b *Bench, s drive.Schedule, n int) (run pacedRun, err error) {
	p.trace.Reset()
	p.course.staged = p.trace.Staged()
	before := p.engine.Stats()
	since := marks(p.loops)
	if err := b.pinned(b.Peer, func() { b.counting.around("generator", func() { run = p.generator.pace(s, n) }) }); err != nil {
		return run, err
	}
	run.lost, run.wrong = p.account(before, uint64(n))
	run.wrong = both(run.judge(), run.wrong)
	if run.wrong == "" {
		run.wrong = p.course.publish(b.Clock, p.generator.notes, p.trace.Samples(), run.lost)
	}
	if run.wrong == "" {
		p.course.witness(absences(p.loops, since, p.course.at, b.suspects()))
	}
	return run, nil
}

// both is two reasons for which a trial does not count, of which either may be "".
func both(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// flood is the ns for each of n events, as fast as they are taken from the peer:
// from the first published to the last stored.
func (p *pacedRig) flood(b *Bench, n int) (ns float64, err error) {
	var failed error
	p.trace.Reset()
	goal := p.engine.Stats().Stored + uint64(n)
	err = b.pinned(b.Peer, func() {
		began := cpu.Now()
		if failed = p.generator.flood(n); failed != nil {
			return
		}
		for limit := began + b.Clock.Ticks(int64(trialLimit)); p.engine.Stats().Stored < goal; {
			if cpu.Now() > limit {
				failed = fmt.Errorf("%d of %d events not stored after %v", goal-p.engine.Stats().Stored, n, trialLimit)
				return
			}
		}
		ns = float64(b.Clock.Ns(cpu.End()-began)) / float64(n)
	})
	return ns, errors.Join(err, failed)
}
