package store

import (
	"fmt"
	"time"
)

const (
	retryEvery   = 50 * time.Millisecond // how soon a full disk is tried again
	reserveShare = 8                     // a segment whose last eighth is begun is about to end
)

// writer is the committer's side of a Log: the segment being written and where
// the chain of groups stands. Only the committer touches it.
type writer struct {
	segment  *segment
	stage    stage  // where groups go past the page cache
	prev     uint32 // crc of the last group
	stamp    int64  // when the last group was written, ns
	syncedAt time.Duration
	retryAt  time.Duration // while full: not before
	rolling  uint64        // first sequence of the segment that is being made ready, or 0
}

// Commit writes the group offered, if there is one, syncs it as the mode says,
// and frees its batch: n records, 0 if none was offered or the disk is full
// (see Full; it is tried again at most every 50 ms). Mode group syncs here,
// mode interval in a goroutine. After an error the log takes nothing more. The
// committer calls it.
func (l *Log) Commit() (n int, err error) {
	if err := l.Err(); err != nil {
		return 0, err
	}
	offered := l.offered.Load()
	if offered == 0 {
		return 0, l.syncDue()
	}
	if l.full.Load() && l.env.up() < l.retryAt {
		return 0, nil
	}
	b := &l.batches[offered-1]
	if err := l.write(b); err != nil {
		return 0, l.fail(err)
	}
	if l.cfg.Mode == Group {
		err = l.sync()
	} else {
		l.askSync()
		err = l.syncDue()
	}
	if err != nil {
		return 0, err
	}
	n = b.records
	b.clear()
	l.offered.Store(0) // gives the batch back
	return n, nil
}

// write puts one group behind the last, in a new segment if need be.
func (l *Log) write(b *batch) error {
	size := int64(b.used + trailerSize)
	if l.rolling == b.first || l.segment.end+size > l.segment.size && l.segment.end > headerSize {
		if err := l.roll(b.first); err != nil {
			return err
		}
	}
	if l.rolling == 0 && l.segment.end+size > l.segment.size-l.segment.size/reserveShare {
		l.announce(b.last + 1)
	}
	if l.cfg.Mode == OS {
		l.durable.Store(max(l.durable.Load(), l.settled.Load()))
	}
	stamp := max(l.stamp, l.env.wall())
	group, crc := b.close(trailer{written: stamp, durable: l.durable.Load(), prev: l.prev}, l.segment.salt)
	if err := l.put(group); err != nil {
		return l.rollBack(err)
	}
	l.segment.add(b.first, l.segment.end, stamp)
	l.segment.end += size
	l.prev, l.stamp = crc, stamp
	l.written.Store(b.last)
	l.full.Store(false)
	l.counts.groups.Add(1)
	l.counts.bytes.Add(uint64(size))
	return nil
}

// rollBack takes what a full disk took of a group off the segment again: it
// ends with the last whole one. It has lost its zeros then, and grows from here.
func (l *Log) rollBack(err error) error {
	if noSpace(err) {
		if cut := l.segment.Truncate(l.segment.end); cut != nil {
			err = cut
		}
	}
	return fmt.Errorf("writing %s: %w", l.segment.name, err)
}

// roll goes on in the segment that begins with sequence first. The one before
// is synced: at once, so that only the last segment of a log can be torn, or, in
// mode os, by the settler when it gets to it, so that there are few.
func (l *Log) roll(first uint64) error {
	if l.rolling != first {
		l.announce(first)
	}
	next := <-l.ready
	l.rolling = 0
	if next.err != nil {
		return next.err
	}
	l.rollLock.Lock()
	defer l.rollLock.Unlock()
	if l.cfg.Mode != OS {
		if err := l.sync(); err != nil {
			return err
		}
	}
	l.leave(finished{l.segment, l.written.Load()})
	l.segment = next.segment
	l.active.Store(first)
	l.counts.rolls.Add(1)
	return nil
}

// syncDue syncs in mode interval, once the interval is over, where no goroutine
// does.
func (l *Log) syncDue() error {
	if l.cfg.Mode != Interval || !l.env.alone || l.durable.Load() == l.written.Load() || l.env.up()-l.syncedAt < l.cfg.Interval {
		return nil
	}
	return l.sync()
}

// sync makes everything written durable. Of what is written meanwhile it
// promises nothing.
func (l *Log) sync() error {
	written := l.written.Load()
	if l.durable.Load() == written {
		return nil
	}
	if err := l.Err(); err != nil {
		return err
	}
	if err := l.flush(l.segment); err != nil {
		return l.latch(err)
	}
	l.counts.syncs.Add(1)
	l.syncedAt = l.env.up()
	l.durable.Store(written)
	return nil
}

// flush is the sync itself, with its flaws.
func (l *Log) flush(s *segment) error {
	if l.env.flaws.unsynced {
		return nil
	}
	err := s.Sync()
	if err != nil && l.env.flaws.retry {
		err = s.Sync()
	}
	if err != nil {
		return fmt.Errorf("syncing %s: %w", s.name, err)
	}
	return nil
}

// fail decides what a failed write means: a full disk passes, anything else
// is for good.
func (l *Log) fail(err error) error {
	if !noSpace(err) || l.Err() != nil {
		return l.latch(err)
	}
	l.retryAt = l.env.up() + retryEvery
	l.full.Store(true)
	return nil
}

// latch ends the log's writing for good.
func (l *Log) latch(err error) error {
	err = fmt.Errorf("log %s: %w: nothing after sequence %d is known to be durable", l.cfg.Dir, err, l.Durable())
	l.failure.CompareAndSwap(nil, &err)
	return l.Err()
}
