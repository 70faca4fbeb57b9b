package ingest

import (
	"time"

	"eventstreamcore/engine/cpu"
)

const sweepEvery = 100 * time.Millisecond

// limits are the configuration's times, in ticks.
type limits struct{ sweep, first, completion, silence, unreading cpu.Ticks }

func newLimits(c *Config) limits {
	ticks := func(d time.Duration) cpu.Ticks { return c.Clock.Ticks(d.Nanoseconds()) }
	l := &c.Limits
	return limits{
		sweep: ticks(sweepEvery), first: ticks(l.FirstFrame), completion: ticks(l.Completion),
		silence: ticks(l.Silence), unreading: ticks(l.Unreading),
	}
}

// sweep closes the connections that take too long, ten times a second.
func (w *Worker) sweep(now cpu.Ticks) {
	if now-w.sweptAt < w.limits.sweep {
		return
	}
	w.sweptAt = now
	for _, c := range w.conns {
		switch {
		case c == nil:
		case c.stuckAt != 0 && int64(now-c.stuckAt) > int64(w.limits.unreading):
			w.unreading(c)
		case c.queued || c.finished || c.parked || c.choked: // it is the worker's turn
		default:
			w.cut(c, now)
		}
	}
}

// cut closes c if it takes too long.
func (w *Worker) cut(c *conn, now cpu.Ticks) {
	if why := w.late(c, now); why != "" {
		w.Counts.Late.Add(1)
		w.complain(why, c, nil)
		w.drop(c)
	}
}

// late says in what c takes too long, or nothing. Time in which the worker did
// not read is not the client's.
func (w *Worker) late(c *conn, now cpu.Ticks) string {
	over := func(since, limit cpu.Ticks) bool { return int64(now-max(since, w.heldUntil)) > int64(limit) }
	switch {
	case !c.framed && over(c.openedAt, w.limits.first):
		return "no frame within the time for the first: connection closed"
	case len(c.carry) > 0 && over(c.beganAt, w.limits.completion):
		return "a frame was not completed in time: connection closed"
	case c.owed == 0 && !c.remote.Addr().Unmap().IsLoopback() && over(c.activeAt, w.limits.silence):
		return "connection was silent for too long: closed"
	}
	return ""
}
