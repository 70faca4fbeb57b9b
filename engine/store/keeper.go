package store

import (
	"sync/atomic"
	"time"
)

// keeper does what must not hold up a commit, in a goroutine of its own: it
// makes the next segment ready, keeps a spare, and lets old segments go.
type keeper struct {
	log       [16]byte      // the log's UUID
	active    atomic.Uint64 // first sequence of the segment being written: it and what follows stay
	wanted    chan uint64   // the committer asks for the segment that begins here; one at a time
	ready     chan readied  // and gets it here
	stop      chan struct{}
	stopped   chan struct{}
	haveSpare bool
}

// readied is a segment, or why there is none.
type readied struct {
	*segment
	err error
}

// tendEvery is how often age is looked at.
const tendEvery = time.Second

// keep starts the keeper.
func (l *Log) keep() {
	l.wanted, l.ready = make(chan uint64, 1), make(chan readied, 1)
	l.stop, l.stopped = make(chan struct{}), make(chan struct{})
	l.active.Store(l.segment.first)
	if l.env.alone {
		l.tend()
		close(l.stopped)
		return
	}
	go l.keeping()
}

func (l *Log) keeping() {
	defer close(l.stopped)
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		l.tend()
		select {
		case first := <-l.wanted:
			l.prepare(first)
		case <-tick.C:
		case <-l.stop:
			return
		}
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
	l.spare()
}

// dismiss ends the keeper and closes what it made ready.
func (l *Log) dismiss() {
	close(l.stop)
	<-l.stopped
	select {
	case s := <-l.ready:
		if s.segment != nil {
			s.Close()
		}
	default:
	}
}
