package workloads

import (
	"errors"
	"fmt"

	"eventstreamcore/engine"
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

// newPacedRig has room for most events. tracing makes their trace: one of stages
// tells all parts of their ways, and costs what at high rates would be seen.
func (b *Bench) newPacedRig(plan engine.Plan, e ingest.Event, tracing func(int) *metrics.Trace, most int, handlers ...process.Handler) (*pacedRig, error) {
	p := &pacedRig{trace: tracing(most + madeMost), course: newCourse(publishedParts, most)}
	p.course.staged = p.trace.Staged()
	r, err := b.newRig(func(c *engine.Config) {
		c.Plan, c.Publishers, c.Trace, c.Handlers = plan, 1, p.trace, handlers
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
// wrong says why it does not count.
func (p *pacedRig) run(b *Bench, s drive.Schedule, n int) (run pacedRun, wrong string, err error) {
	p.trace.Reset()
	before := p.engine.Stats()
	since := marks(p.loops)
	if err := b.pinned(b.Peer, func() { b.counted("generator", func() { run = p.generator.pace(s, n) }) }); err != nil {
		return run, "", err
	}
	_, lost := p.account(before, uint64(n))
	wrong = both(run.judge(), lost)
	if wrong == "" {
		wrong = p.course.publish(b.Clock, p.generator.notes, p.trace.Samples())
	}
	if wrong == "" {
		p.course.witness(absences(p.loops, since, p.course.at, b.suspects()))
	}
	return run, wrong, nil
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
