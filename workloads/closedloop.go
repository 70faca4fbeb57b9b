package workloads

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/store"
)

// closedLoop drives a log as so many producers would, each of which has one
// event outstanding and appends its next when that is durable: the load under
// which a durable log is measured. All producers are one thread, for waking
// theirs would cost more than the log does, and their events are sealed side by
// side, as ingest seals what it reads at once.
type closedLoop struct {
	// split gives the committer a thread of its own, as the engine does; the
	// producers' then spins, and two CPUs must be free, or it is their scheduler
	// that is measured. Otherwise one thread does both, and sleeps in its syncs.
	split bool

	latency metrics.Histogram // ns from before the append to when it is seen to be durable

	log       *store.Log
	clock     cpu.Clock
	events    batch // appended again and again
	producers int
	waiting   []appended // in the order of their sequences
}

// appended are events that were appended at once and are not durable yet.
type appended struct {
	at     cpu.Ticks
	events int
}

// newClosedLoop drives log, to which nobody else may append.
func newClosedLoop(log *store.Log, clock cpu.Clock, events batch, producers int) *closedLoop {
	return &closedLoop{log: log, clock: clock, events: events, producers: producers}
}

// run appends so many events and returns when all are durable.
func (c *closedLoop) run(events int) error {
	if !c.split {
		return c.produce(events)
	}
	var over atomic.Bool
	var committer sync.WaitGroup
	committer.Go(func() {
		for !over.Load() {
			if n, err := c.log.Commit(); err != nil {
				return // produce sees it, too
			} else if n == 0 {
				cpu.Pause(spinPauses)
			}
		}
	})
	err := c.produce(events)
	over.Store(true)
	committer.Wait()
	return err
}

const (
	spinPauses = 4
	spinsMax   = 1 << 14 // spins in vain before the thread is offered to others
)

// produce is all producers' thread.
func (c *closedLoop) produce(events int) error {
	taken, done, vain := 0, 0, 0 // vain counts spins
	first := c.log.Gathered() + 1
	for done < events {
		durable := int(c.log.Durable() + 1 - first)
		if durable > done {
			c.seen(durable - done)
			done = durable
		}
		if room := min(c.producers-(taken-done), events-taken); room > 0 {
			taken += c.append(room)
		}
		offered := c.log.Offer()
		if !c.split {
			if _, err := c.log.Commit(); err != nil {
				return err
			}
		} else if offered {
			continue
		}
		if err := c.log.Err(); err != nil { // the committer's
			return fmt.Errorf("after %d of %d events: %w", done, events, err)
		}
		if c.split {
			if vain++; vain%spinsMax == 0 {
				runtime.Gosched()
			}
			cpu.Pause(spinPauses)
		}
	}
	return nil
}

// append is that of n producers, as far as the log takes their events.
func (c *closedLoop) append(n int) (taken int) {
	a := appended{at: cpu.Now()}
	for full := false; a.events < n && !full; {
		for _, h := range c.events.seal(n - a.events) {
			if _, ok := c.log.Append(h); !ok {
				full = true
				break
			}
			a.events++
		}
	}
	if a.events > 0 {
		c.waiting = append(c.waiting, a)
	}
	return a.events
}

// seen notes the latency of the n events that have become durable.
func (c *closedLoop) seen(n int) {
	now := cpu.End()
	for n > 0 {
		a := &c.waiting[0]
		k := min(n, a.events)
		c.latency.RecordN(c.clock.Ns(now-a.at), uint64(k))
		n -= k
		if a.events -= k; a.events == 0 {
			c.waiting = slices.Delete(c.waiting, 0, 1)
		}
	}
}
