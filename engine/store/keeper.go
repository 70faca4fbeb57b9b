package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// keeper does what must not hold up a commit, in goroutines of its own: one
// makes the next segment ready, keeps a spare and lets old segments go; one
// finishes those that are full; one reads old ones again (see scrub.go); and in
// mode interval one syncs.
type keeper struct {
	log       [16]byte      // the log's UUID
	active    atomic.Uint64 // first sequence of the segment being written: it and what follows stay
	wanted    chan uint64   // the committer asks for the segment that begins here; one at a time
	ready     chan readied  // and gets it here
	left      chan finished // segments that are full
	settled   atomic.Uint64 // mode os: the last sequence that syncing them has made durable
	damaged   atomic.Pointer[Damage]
	unsynced  chan struct{} // mode interval: something was written since the last sync
	rollLock  sync.Mutex    // mode interval: held while a segment is synced or changed
	stop      chan struct{}
	running   sync.WaitGroup
	haveSpare bool

	expiring atomic.Uint64 // with Hold: what the log would begin with, if what may go went
	released atomic.Uint64 // what it may begin with
	poked    chan struct{} // something was released
}

// readied is a segment, or why there is none.
type readied struct {
	*segment
	err error
}

// finished is a segment that was left, and its last sequence.
type finished struct {
	*segment
	last uint64
}

const (
	tendEvery   = 10 * time.Second // how often age is looked at when nothing else happens
	finishedMax = 16               // full segments that wait before the committer does, too
)

// keep starts the keeper.
func (l *Log) keep() {
	l.wanted, l.ready = make(chan uint64, 1), make(chan readied, 1)
	l.left, l.stop = make(chan finished, finishedMax), make(chan struct{})
	l.unsynced, l.poked = make(chan struct{}, 1), make(chan struct{}, 1)
	l.active.Store(l.segment.first)
	l.settled.Store(l.durable.Load())
	if l.env.alone {
		l.tend()
		return
	}
	l.running.Go(l.keeping)
	l.running.Go(l.scrubbing)
	if l.cfg.Mode == Interval {
		l.running.Go(l.syncing)
	}
	l.running.Go(func() {
		for s := range l.left {
			l.settle(s)
		}
	})
}

func (l *Log) keeping() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		l.tend()
		select {
		case first := <-l.wanted:
			l.prepare(first)
		case <-tick.C:
		case <-l.poked:
		case <-l.stop:
			return
		}
	}
}

// syncing makes what is written durable an interval later, so that neither the
// committer waits for it nor an idle log forgets it. While nothing is written it
// sleeps: a tick every few milliseconds keeps the whole runtime awake.
func (l *Log) syncing() {
	for l.Err() == nil {
		select {
		case <-l.unsynced:
		case <-l.stop:
			return
		}
		select {
		case <-time.After(l.cfg.Interval):
		case <-l.stop:
			return
		}
		l.rollLock.Lock()
		l.sync()
		l.rollLock.Unlock()
	}
}

// askSync has what was written synced an interval from now, or sooner.
func (l *Log) askSync() {
	select {
	case l.unsynced <- struct{}{}:
	default: // somebody has asked already
	}
}

// announce asks for the segment that is to begin with sequence first. The
// committer calls it and takes the answer from ready.
func (l *Log) announce(first uint64) {
	l.rolling = first
	if l.env.alone {
		l.prepare(first)
		l.tend()
		return
	}
	l.wanted <- first
}

func (l *Log) prepare(first uint64) {
	s, err := l.begin(first, l.log)
	l.ready <- readied{s, err}
}

// tend does what can wait. What fails here is tried again later: the log can
// do without a spare, and with a segment too many.
func (l *Log) tend() {
	l.retain()
	l.spare()
}

// leave hands a full segment over to be finished.
func (l *Log) leave(s finished) {
	if l.env.alone {
		l.settle(s)
		return
	}
	l.left <- s
}

// settle syncs a segment that was left, in mode os, writes its index and
// closes it. An index that cannot be written is made by the next scrub.
func (l *Log) settle(s finished) {
	if l.cfg.Mode == OS && l.Err() == nil {
		if err := l.flush(s.segment); err != nil {
			l.latch(err)
		} else {
			l.settled.Store(s.last)
		}
	}
	l.saveMarks(s.first, s.salt, s.marks)
	s.Close()
}

// dismiss ends the keeper once it has done what it was asked. What comes after
// is done in Commit.
func (l *Log) dismiss() {
	if l.env.alone {
		return
	}
	l.env.alone = true
	close(l.stop)
	close(l.left)
	l.running.Wait()
	select {
	case first := <-l.wanted: // asked for, but not begun
		l.prepare(first)
	default:
	}
}

// release closes the files that are open.
func (l *Log) release() (err error) {
	select {
	case s := <-l.ready:
		if s.segment != nil {
			err = s.Close()
		}
	default:
	}
	if l.segment != nil {
		err = errors.Join(err, l.segment.Close())
	}
	return err
}
