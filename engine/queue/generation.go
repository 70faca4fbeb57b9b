package queue

// keeper is what the goroutine that keeps a Dedup's time knows: nobody else looks.
type keeper struct {
	generation uint64
	window     uint64 // generations
	tagAt      int    // the bit where a tag starts

	lines   int    // of the table
	at      int    // the line to sweep next
	began   uint64 // generation in which this round of the sweep began
	settled uint64 // generation in which the last whole round began
}

// Advance starts the next generation, by whatever time the caller keeps: a table
// of 60 generations, advanced every minute, remembers for an hour. When a log is
// read back, its records' times are what to advance by.
//
// A tag counts modulo a power of two, two windows or more, so one that is never
// rewritten would look young again after that many generations. Before that the
// sweep has marked its word dead: when a round of the sweep ends, no live word is
// older than the window was when the round began. Advance holds to this whatever
// the caller does: it finishes what Sweep left undone. A caller that sweeps the whole
// table twice a window, large ones once in three, never waits here.
//
// One goroutine at a time keeps the time.
func (d *Dedup) Advance() {
	k := &d.keeper
	next := k.generation + 1
	for next-k.settled+k.window > d.tag>>k.tagAt {
		d.Sweep(k.lines - k.at)
	}
	d.before.Store(d.youngest.Load())
	d.youngest.Store(d.tag)
	d.keepTime(next)
}

func (d *Dedup) keepTime(generation uint64) {
	d.keeper.generation = generation
	d.now.Store(generation<<d.keeper.tagAt | (1<<d.keeper.tagAt - 1))
}

// Sweep visits the next n lines, marks dead what has outlived the window, and says
// how many ids that were. Small portions, often, keep it out of the way: for 64 MiB
// and an hour, 100 lines a second do. Same goroutine as Advance.
func (d *Dedup) Sweep(n int) (expired int) {
	k := &d.keeper
	for range n {
		expired += d.sweepLine(d.lineAt(uint64(k.at)))
		if k.at++; k.at == k.lines {
			k.at = 0
			k.settled, k.began = k.began, k.generation
		}
	}
	return expired
}

// sweepLine also clears the serials, lest they be counted on when the tag comes
// round.
func (d *Dedup) sweepLine(l *line) (expired int) {
	now, window, spent := d.now.Load(), d.window, stateMask|d.serial
	for i := range l {
		w := l[i].Load()
		if d.age(w, now) <= window || w&spent == 0 {
			continue
		}
		if l[i].CompareAndSwap(w, w&^spent) && w&stateMask != dead { // else it was just rewritten
			expired++
		}
	}
	return expired
}

// Held is the window really held of late, in whole generations: the one asked
// for, unless in this generation or the one before an id was pushed out sooner.
// Any goroutine.
func (d *Dedup) Held() int {
	youngest := min(d.youngest.Load(), d.before.Load(), d.window+d.tag&-d.tag) >> d.keeper.tagAt
	return int(max(1, youngest)) - 1
}

// Evictions counts the ids that were pushed out within their window. Any
// goroutine.
func (d *Dedup) Evictions() uint64 { return d.evictions.Load() }
