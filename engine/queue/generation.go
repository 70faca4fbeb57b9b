package queue

// sweep is how far the sweeper has got. Only the goroutine that keeps the time
// touches it.
type sweep struct {
	lines   int    // of the table
	at      int    // the line to visit next
	began   uint64 // generation in which this round began
	settled uint64 // generation in which the last whole round began
}

// Advance starts the next generation, by whatever time the caller keeps: a table
// of 60 generations, advanced every minute, remembers for an hour. When a log is
// read back, its records' times are what to advance by.
//
// A tag counts modulo a power of two, two windows or more, so one that is never
// rewritten would look young again after that many generations. Before that the
// sweep has marked it dead: when a round of the sweep ends, no word is older than
// the window was when the round began. Advance holds to this whatever the caller
// does: it finishes what Sweep left undone. A caller that sweeps the whole table
// twice a window never waits here. (It is taken for granted that no call lasts
// longer than the window: one that did could write a tag as old as itself.)
//
// One goroutine at a time keeps the time.
func (d *Dedup) Advance() {
	next := d.generation.Load() + 1
	for next-d.sweep.settled+d.window > d.tags {
		d.Sweep(d.sweep.lines - d.sweep.at)
	}
	d.before.Store(d.youngest.Load())
	d.youngest.Store(d.window + 1)
	d.generation.Store(next)
}

// Sweep visits the next n lines, marks dead what has outlived the window, and
// clears its serial, lest it be counted on when the tag comes round. It
// says how many ids that were. Small portions, often, keep it out of the way: for
// 64 MiB and an hour, 600 lines a second do. Same goroutine as Advance.
func (d *Dedup) Sweep(n int) (expired int) {
	now := d.generation.Load() // only this goroutine moves it
	for range n {
		l := d.lineAt(uint64(d.sweep.at))
		for i := range l {
			w := l[i].Load()
			spent := w &^ (stateMask<<d.stateAt | d.serial)
			if d.age(w, now) <= d.window || w == spent {
				continue
			}
			if l[i].CompareAndSwap(w, spent) && d.stateOf(w) != dead { // else it was just rewritten
				expired++
			}
		}
		if d.sweep.at++; d.sweep.at == d.sweep.lines {
			d.sweep.at = 0
			d.sweep.settled, d.sweep.began = d.sweep.began, now
		}
	}
	return expired
}

// Held is the window really held of late, in whole generations: the one asked
// for, unless in this generation or the one before an id was pushed out sooner.
// Any goroutine.
func (d *Dedup) Held() int {
	return int(max(1, min(d.youngest.Load(), d.before.Load())) - 1)
}

// Evictions counts the ids that were pushed out within their window. Any
// goroutine.
func (d *Dedup) Evictions() uint64 { return d.evictions.Load() }
