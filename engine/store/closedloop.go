package store

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

// ClosedLoop drives a log as so many producers would, each of which has one
// event outstanding and appends its next when that is durable: the load under
// which a durable log is measured. All producers are one thread, for waking
// theirs would cost more than the log does.
type ClosedLoop struct {
	// Split gives the committer a thread of its own, as the engine does; the
	// producers' then spins, and two CPUs must be free, or it is their scheduler
	// that is measured. Otherwise one thread does both, and sleeps in its syncs.
	Split bool

	Latency metrics.Histogram // ns from before the append to when it is seen to be durable

	log       *Log
	clock     cpu.Clock
	event     *event.Header // appended again and again, with ids that count up
	producers int
	since     []cpu.Ticks // when each outstanding event was appended, a ring by sequence
}

// NewClosedLoop drives l, to which nobody else may append, with copies of an
// event.
func NewClosedLoop(l *Log, clock cpu.Clock, h *event.Header, producers int) *ClosedLoop {
	return &ClosedLoop{log: l, clock: clock, event: h, producers: producers, since: make([]cpu.Ticks, producers)}
}

// Run appends so many events and returns when all are durable.
func (c *ClosedLoop) Run(events int) error {
	if !c.Split {
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
func (c *ClosedLoop) produce(events int) error {
	appended, done, vain := 0, 0, 0 // vain counts spins
	first := c.log.next
	for done < events {
		durable := int(c.log.Durable() - first + 1)
		if durable > done {
			c.seen(first, done, durable)
			done = durable
		}
		if room := min(c.producers-(appended-done), events-appended); room > 0 {
			now := cpu.Now()
			for ; room > 0 && c.append(now); room-- {
				appended++
			}
		}
		offered := c.log.Offer()
		if !c.Split {
			if _, err := c.log.Commit(); err != nil {
				return err
			}
		} else if offered {
			continue
		}
		if err := c.log.Err(); err != nil { // the committer's
			return fmt.Errorf("after %d of %d events: %w", done, events, err)
		}
		if c.Split {
			if vain++; vain%spinsMax == 0 {
				runtime.Gosched()
			}
			cpu.Pause(spinPauses)
		}
	}
	return nil
}

// append is one producer's.
func (c *ClosedLoop) append(now cpu.Ticks) bool {
	c.event.ID++
	c.event.Seal()
	seq, ok := c.log.Append(c.event)
	if ok {
		c.since[seq%uint64(c.producers)] = now
	}
	return ok
}

// seen notes the latency of the events that have become durable, those that
// were appended together at once.
func (c *ClosedLoop) seen(first uint64, from, to int) {
	now := cpu.End()
	at := func(i int) cpu.Ticks { return c.since[(first+uint64(i))%uint64(c.producers)] }
	for i := from; i < to; {
		since, n := at(i), 1
		for i+n < to && at(i+n) == since {
			n++
		}
		c.Latency.RecordN(c.clock.Ns(now-since), uint64(n))
		i += n
	}
}
