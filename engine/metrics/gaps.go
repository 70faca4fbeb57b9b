package metrics

import (
	"sync/atomic"

	"eventstreamcore/engine/cpu"
)

// Gap is a stretch of time that a loop lost: between the beginnings of two of
// its rounds, the first of which had nothing to do, or was switched away while
// it had.
type Gap struct {
	From, To  cpu.Ticks
	Voluntary uint32 // context switches within: the thread gave its CPU up
	Forced    uint32 // and was made to
	Worked    bool   // the round had work in hand: Gap is its whole length
}

// Gaps notes a loop's own gaps, so that what the host or the runtime took from
// it can be told from what it does itself. A round with nothing to do that takes
// over a microsecond, and four times the shortest such round, lost that time. A
// round with work in hand may be long by its own doing: one over 4 us and four
// times the usual is kept, marked, and whoever reads it judges by the switches
// within.
//
// One goroutine notes; any may read what was noted, as long as it does so before
// as many gaps again as are kept have come. Noting one costs a system call, some
// hundred nanoseconds; a round without one costs two comparisons.
type Gaps struct {
	noted  atomic.Uint64 // ever; gap n is kept[n % len(kept)]
	kept   []Gap
	idle   cpu.Ticks // least length of a gap without work
	worked cpu.Ticks // and with

	last  cpu.Ticks // beginning of the round before; 0: none
	least cpu.Ticks // shortest round without work
	usual cpu.Ticks // round with work: a running mean

	switches func() (voluntary, forced, faults int64) // of the thread, until now: cpu.Switches
	switched [2]int64                                 // voluntary, forced: until the last gap
}

const (
	gapIdleNs   = 1_000
	gapWorkedNs = 4_000 // ten times one event's way
	gapUsual    = 4     // times the shortest idle round, or the usual one with work
	gapMean     = 16    // rounds that the usual one is a mean of
)

// NewGaps keeps the last n gaps, 1 or more.
func NewGaps(clock cpu.Clock, n int) *Gaps {
	g := &Gaps{kept: make([]Gap, n), idle: clock.Ticks(gapIdleNs), worked: clock.Ticks(gapWorkedNs), least: clock.Ticks(gapWorkedNs), switches: cpu.Switches}
	for i := range g.kept {
		g.kept[i].Voluntary = 1 // touch every page now rather than in the run
	}
	return g
}

// Round is told of every round's beginning, and whether the one before had work.
func (g *Gaps) Round(now cpu.Ticks, worked bool) {
	took := now - g.last
	first := g.last == 0
	g.last = now
	if first || !worked && took < g.idle && took >= g.least {
		return
	}
	g.look(now, took, worked)
}

// Skip forgets the round before: the loop slept, which is no gap.
func (g *Gaps) Skip() { g.last = 0 }

// look judges a round that is out of the ordinary.
func (g *Gaps) look(now, took cpu.Ticks, worked bool) {
	if worked {
		if took >= max(g.worked, gapUsual*g.usual) {
			g.note(Gap{From: now - took, To: now, Worked: true})
		}
		g.usual = (g.usual*(gapMean-1) + min(took, g.worked+gapUsual*g.usual)) / gapMean
		return
	}
	g.least = max(min(g.least, took), 1)
	if took >= max(g.idle, gapUsual*g.least) {
		g.note(Gap{From: now - took, To: now})
	}
}

// note keeps a gap with the switches since the one before.
func (g *Gaps) note(gap Gap) {
	voluntary, forced, _ := g.switches()
	gap.Voluntary, gap.Forced = uint32(voluntary-g.switched[0]), uint32(forced-g.switched[1])
	g.switched = [2]int64{voluntary, forced}
	n := g.noted.Load()
	if n == 0 {
		gap.Voluntary, gap.Forced = 0, 0 // all since the thread began
	}
	g.kept[n%uint64(len(g.kept))] = gap
	g.noted.Store(n + 1) // publishes the gap
	g.Skip()             // the round that follows begins with the noting: it is not judged
}

// Noted is how many gaps were noted until now, for Since.
func (g *Gaps) Noted() uint64 { return g.noted.Load() }

// Since is the gaps that were noted after the first so many, in order, and how
// many more there were than are kept.
func (g *Gaps) Since(first uint64) (gaps []Gap, lost uint64) {
	noted := g.noted.Load()
	if size := uint64(len(g.kept)); noted-first > size {
		lost = noted - first - size
		first += lost
	}
	for n := first; n < noted; n++ {
		gaps = append(gaps, g.kept[n%uint64(len(g.kept))])
	}
	return gaps, lost
}

// Away reports whether the loop was surely not running for all of the gap: it
// had nothing to do, or the kernel switched it away.
func (g Gap) Away() bool { return !g.Worked || g.Voluntary+g.Forced > 0 }
