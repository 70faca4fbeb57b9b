package engine

import (
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// committer is the last worker of the way: it writes the groups that the storer
// gathers. With a thread of its own it takes what there is whenever the disk is
// free, so that the disk's own pace makes the groups. Beside the storer, where a
// write is a copy into the page cache, it lets a group grow first: a system
// call for every event would cost more than all stages together.
type committer struct {
	log    *store.Log
	failed chan<- error
	store  *duty.Bell // rung when a group is free again
	own    *duty.Bell // rung when a group is there

	waiting int       // the storer's: events appended and, beside it, not yet written
	full    bool      // the log had no room: with large events a group is full before its time
	every   cpu.Ticks // how long a group beside the storer may grow; 0: on a thread of its own
	keeper  cpu.Ticks // how long the log's keeper takes to sync what is written; 0: the committer syncs it, or nobody
	durable uint64    // as the storer was told
	last    cpu.Ticks // when the last one was written
	broken  bool
}

const (
	gatherFor    = time.Millisecond // bounds what a dying process takes with it in mode os
	gatherEvents = 1024             // bounds the length of one write beside the storer: some 30 us
)

// Append gathers the event, on the storer's thread.
func (c *committer) Append(h *event.Header) (sequence uint64, ok bool) {
	if sequence, ok = c.log.Append(h); ok {
		c.waiting++
	} else {
		c.full = true
	}
	return sequence, ok
}

// Offer hands over what was gathered, on the storer's thread; beside it, Step
// does, when it is due. The log may have offered a full group by itself, so the
// bell rings after every batch.
func (c *committer) Offer() bool {
	if c.every != 0 {
		return false
	}
	offered := c.log.Offer()
	if offered || c.waiting > 0 {
		c.own.Ring()
	}
	c.waiting = 0
	return offered
}

// Durable is how far the log is on the disk.
func (c *committer) Durable() uint64 { return c.log.Durable() }

// Err is why the log takes no more, or nil.
func (c *committer) Err() error { return c.log.Err() }

// Step writes one group, if there is one to write.
func (c *committer) Step(now cpu.Ticks) int {
	if c.broken {
		return 0
	}
	if c.every != 0 && !c.due(now) {
		return min(c.waiting, 1) // not idle: the thread may not sleep on a group that gathers
	}
	n, err := c.log.Commit()
	if err != nil {
		c.broken = true
		select {
		case c.failed <- err:
		default:
		}
	}
	durable := c.log.Durable()
	if n > 0 || err != nil || durable != c.durable { // room, the end, or answers that can be given
		c.durable = durable
		c.store.Ring()
	}
	if c.every != 0 {
		c.waiting, c.full = c.waiting-n, false
	}
	return n
}

// Due is when the keeper may have synced what was written: whoever waits for that
// is to be told.
func (c *committer) Due(now cpu.Ticks) cpu.Ticks {
	if c.keeper == 0 || c.durable == c.log.Written() {
		return 0
	}
	return now + c.keeper
}

// due reports whether the group beside the storer has grown enough.
func (c *committer) due(now cpu.Ticks) bool {
	if c.waiting == 0 || !c.full && c.waiting < gatherEvents && now-c.last < c.every {
		return false
	}
	c.last = now
	c.log.Offer()
	return true
}
