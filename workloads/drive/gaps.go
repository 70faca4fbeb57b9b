package drive

import (
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
)

// Lost is the time in which the sender's own loop surely did not turn.
type Lost struct {
	Count   uint64 `json:"count"`
	Ns      int64  `json:"ns"`
	Longest int64  `json:"longest_ns"`
}

// away is what a sender knows of its own gaps. Nil knows of none.
type away struct {
	gaps  *metrics.Gaps
	clock cpu.Clock
	seen  uint64 // gaps
	until int64  // when the last one ended, in ns after the start
	lost  Lost
	calm  metrics.Histogram // debts of the events that were due after it, ns
}

// gapsKept is as many as can come between two rounds, and a few more.
const gapsKept = 16

func newAway(clock cpu.Clock) *away {
	return &away{gaps: metrics.NewGaps(clock, gapsKept), clock: clock}
}

// round is told of every round's beginning, on the counter and in ns after the
// start, and whether the one before sent anything.
func (a *away) round(at cpu.Ticks, now int64, sent bool) {
	if a == nil {
		return
	}
	a.gaps.Round(at, sent)
	if a.gaps.Noted() == a.seen {
		return
	}
	gaps, _ := a.gaps.Since(a.seen)
	a.seen = a.gaps.Noted()
	for _, g := range gaps {
		if g.Away() {
			ns := a.clock.Ns(g.To - g.From)
			a.until = now
			a.lost = Lost{a.lost.Count + 1, a.lost.Ns + ns, max(a.lost.Longest, ns)}
		}
	}
}

// slept says that the loop lay down by itself, which is no gap.
func (a *away) slept() {
	if a != nil {
		a.gaps.Skip()
	}
}

// record counts the debt of an event that was due then, if no gap fell into it.
func (a *away) record(due, debt int64) {
	if a != nil && due >= a.until {
		a.calm.Record(debt)
	}
}
