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
// which a durable log is measured. All producers are one thread that spins, for
// waking theirs would cost more than the log does; the committer is another.
// It needs two CPUs, or it measures their scheduler.
type ClosedLoop struct {
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
	appended, done, vain := 0, 0, 0
	first := c.log.next
	for done < events {
		durable := int(c.log.Durable() - first + 1)
		if durable > done {
			c.seen(first, done, durable)
			done, vain = durable, 0
		}
		if room := min(c.producers-(appended-done), events-appended); room > 0 {
			now := cpu.Now()
			for ; room > 0 && c.append(now); room-- {
				appended++
			}
		}
		if c.log.Offer() {
			continue
		}
		if err := c.log.Err(); err != nil {
			return fmt.Errorf("after %d of %d events: %w", done, events, err)
		}
		if vain++; vain > spinsMax {
			vain = 0
			runtime.Gosched()
		}
		cpu.Pause(spinPauses)
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

// seen notes the latency of the events that have become durable.
func (c *ClosedLoop) seen(first uint64, from, to int) {
	now := cpu.End()
	for i := from; i < to; i++ {
		c.Latency.Record(c.clock.Ns(now - c.since[(first+uint64(i))%uint64(c.producers)]))
	}
}
