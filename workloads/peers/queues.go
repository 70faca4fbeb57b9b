package main

import (
	"sync"

	"code.cloudfoundry.org/go-diodes"
	"github.com/puzpuzpuz/xsync/v4"

	"eventstreamcore/engine/event"
)

// Depths of the engine's own queues, for its peers.
const (
	spscDepth = 16_384
	mpscDepth = 65_536
)

// The pairs below push a handle and pop it again on one thread. Each is written
// out, for through an interface nothing would be inlined.

//go:noinline
func chanPair() func(n int) int {
	c := make(chan event.Ref, spscDepth)
	return func(n int) (succeeded int) {
		for i := range n {
			select {
			case c <- event.Ref(i):
			default:
				continue
			}
			select {
			case r := <-c:
				if r == event.Ref(i) {
					succeeded++
				}
			default:
			}
		}
		return succeeded
	}
}

//go:noinline
func mutexPair() func(n int) int {
	q := &locked{slots: make([]event.Ref, mpscDepth)}
	return func(n int) (succeeded int) {
		for i := range n {
			if !q.push(event.Ref(i)) {
				continue
			}
			if r, ok := q.pop(); ok && r == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

//go:noinline
func xsyncSPSCPair() func(n int) int {
	q := xsync.NewSPSCQueue[event.Ref](spscDepth)
	return func(n int) (succeeded int) {
		for i := range n {
			if !q.TryEnqueue(event.Ref(i)) {
				continue
			}
			if r, ok := q.TryDequeue(); ok && r == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

//go:noinline
func xsyncMPMCPair() func(n int) int {
	q := xsync.NewMPMCQueue[event.Ref](mpscDepth)
	return func(n int) (succeeded int) {
		for i := range n {
			if !q.TryEnqueue(event.Ref(i)) {
				continue
			}
			if r, ok := q.TryDequeue(); ok && r == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

//go:noinline
func xsyncUMPSCPair() func(n int) int {
	q := xsync.NewUMPSCQueue[event.Ref]()
	return func(n int) (succeeded int) {
		for i := range n {
			q.Enqueue(event.Ref(i))
			if q.Dequeue() == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

// A diode overwrites what was not read in time, so that it is measured where
// nothing can be: never across CPUs, where it would lose.

//go:noinline
func oneToOnePair() func(n int) int {
	d, values := diodes.NewOneToOne(spscDepth, nil), make([]event.Ref, spscDepth)
	return func(n int) (succeeded int) {
		for i := range n {
			v := &values[i%spscDepth]
			*v = event.Ref(i)
			d.Set(diodes.GenericDataType(v))
			if r, ok := d.TryNext(); ok && *(*event.Ref)(r) == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

//go:noinline
func manyToOnePair() func(n int) int {
	d, values := diodes.NewManyToOne(mpscDepth, nil), make([]event.Ref, mpscDepth)
	return func(n int) (succeeded int) {
		for i := range n {
			v := &values[i%mpscDepth]
			*v = event.Ref(i)
			d.Set(diodes.GenericDataType(v))
			if r, ok := d.TryNext(); ok && *(*event.Ref)(r) == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

// locked is the bounded queue that a mutex makes of a ring.
type locked struct {
	mu         sync.Mutex
	slots      []event.Ref // a power of two
	head, tail int
}

func (q *locked) push(r event.Ref) bool {
	q.mu.Lock()
	room := q.tail-q.head < len(q.slots)
	if room {
		q.slots[q.tail&(len(q.slots)-1)] = r
		q.tail++
	}
	q.mu.Unlock()
	return room
}

func (q *locked) pop() (r event.Ref, ok bool) {
	q.mu.Lock()
	if ok = q.head < q.tail; ok {
		r = q.slots[q.head&(len(q.slots)-1)]
		q.head++
	}
	q.mu.Unlock()
	return r, ok
}
