package duty

import (
	"sync/atomic"
	"time"
)

// Sleeper is a worker that can block for its thread: ingest sleeps in the
// kernel's poll, so that a packet wakes it. Sleep returns after max at the
// latest, or at once when Wake was called since the last Sleep. At most one
// worker of a thread is a Sleeper; a thread without one parks on a futex.
type Sleeper interface {
	Sleep(max time.Duration)
	Wake()
}

// Bell wakes a thread. The stages that hand it work ring it after each hand-over.
type Bell struct {
	parked  atomic.Bool
	sleeper Sleeper // set before the thread first parks
}

// Ring wakes the thread if it sleeps. While it is awake this is one load of a
// line that nobody writes.
func (b *Bell) Ring() {
	if b.parked.Load() {
		b.wake()
	}
}

func (b *Bell) wake() {
	if b.parked.Swap(false) { // one ring is enough
		b.sleeper.Wake()
	}
}
