package queue

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// SPSC is a bounded ring of events with one producer and one consumer.
//
// Shape. One goroutine at a time may push, one at a time may pop; they may be
// the same. Push refuses at depth, the logical bound. PushOver goes on to the
// end of the memory, so that the producer of a lane that drops its oldest never
// has to pop: the consumer, the only one that ever removes anything, asks Excess
// and discards.
//
// Ownership. Slots at positions [head, tail) belong to the consumer, all others
// to the producer. The producer fills slots and then stores tail: a consumer
// that loads that tail sees their content. The consumer copies slots out and
// then stores head: a producer that loads that head may overwrite them. Nothing
// else passes a slot over, and a batch passes all of its slots in one store.
//
// Layout. Three groups of lines, two lines apart:
//
//	slots, mask, depth  written by NewSPSC only: shared by both caches for ever
//	tail, headSeen      written by the producer
//	head, tailSeen      written by the consumer
//
// headSeen and tailSeen are what the one last saw of the other. As long as they
// leave room, or work, neither side touches a line that the other writes, apart
// from the slots.
//
// Progress. Every method is wait-free: no loop but that over the items of a
// batch. A stalled peer costs nothing but its absence: the ring runs full or
// empty.
//
// Cost on amd64. Go has one kind of atomic store, an XCHG, which drains the
// store buffer: about 2.5 ns, and nearly all that Push or Pop cost. Batches pay
// it once. Across cores it is the lines that cost: a consumer that polls an empty
// ring without a pause takes tail's line from the producer for nearly every event.
// Sixteen PAUSEs between polls brought an event from 36 ns to 14, and in batches of
// 32 from 2.4 to 1.1 (BenchmarkSPSC, two cores of an EPYC guest). They also delay
// the next event by as much, so how long to pause is for whoever polls to say.
type SPSC struct {
	_     cpu.Pad
	slots unsafe.Pointer // *[mask+1]event.Ref
	mask  uint64
	depth uint64

	_        cpu.Pad
	tail     atomic.Uint64 // the position to fill next
	headSeen uint64        // never beyond head, so it errs towards full

	_        cpu.Pad
	head     atomic.Uint64 // the position to take next
	tailSeen uint64        // never beyond tail, so it errs towards empty
	_        cpu.Pad
}

const refSize = uint64(unsafe.Sizeof(event.Ref(0)))

// NewSPSC makes a ring of the slots, a power of two of them, that Push fills to
// depth, 1 to len(slots).
func NewSPSC(slots []event.Ref, depth int) *SPSC {
	mustBePowerOfTwo("slots", len(slots))
	if depth < 1 || depth > len(slots) {
		panic(fmt.Sprintf("queue: depth %d of a ring of %d slots: give 1 to %d, or more slots", depth, len(slots), len(slots)))
	}
	return &SPSC{
		slots: unsafe.Pointer(unsafe.SliceData(slots)),
		mask:  uint64(len(slots) - 1),
		depth: uint64(depth),
	}
}

// Push appends r, unless the ring holds depth events or more. Producer only.
func (q *SPSC) Push(r event.Ref) bool {
	t := q.tail.Load()
	if t-q.headSeen >= q.depth {
		q.headSeen = q.head.Load()
		if t-q.headSeen >= q.depth {
			return false
		}
	}
	*q.slot(t) = r
	q.tail.Store(t + 1)
	return true
}

// Pop takes the oldest event, if there is one. Consumer only.
func (q *SPSC) Pop() (event.Ref, bool) {
	h := q.head.Load()
	if h == q.tailSeen {
		q.tailSeen = q.tail.Load()
		if h == q.tailSeen {
			return 0, false
		}
	}
	r := *q.slot(h)
	q.head.Store(h + 1)
	return r, true
}

// slot is where position i lies. The mask keeps it within the slots, which the
// compiler cannot know: as a slice expression it would be checked every time.
func (q *SPSC) slot(i uint64) *event.Ref {
	return (*event.Ref)(unsafe.Add(q.slots, (i&q.mask)*refSize))
}

// PushBatch appends events from the front of rs, as many as depth allows, and
// says how many. They become visible together. Producer only.
func (q *SPSC) PushBatch(rs []event.Ref) int {
	t := q.tail.Load()
	if t-q.headSeen+uint64(len(rs)) > q.depth {
		q.headSeen = q.head.Load()
		rs = rs[:min(len(rs), int(q.depth-min(q.depth, t-q.headSeen)))]
	}
	if len(rs) == 0 {
		return 0
	}
	if n := copy(q.run(t), rs); n < len(rs) {
		copy(q.run(0), rs[n:])
	}
	q.tail.Store(t + uint64(len(rs)))
	return len(rs)
}

// PopBatch takes the oldest events, as many as there are and dst has room for,
// and says how many. Consumer only.
func (q *SPSC) PopBatch(dst []event.Ref) int {
	h := q.head.Load()
	if q.tailSeen-h < uint64(len(dst)) {
		q.tailSeen = q.tail.Load()
		dst = dst[:min(len(dst), int(q.tailSeen-h))]
	}
	if len(dst) == 0 {
		return 0
	}
	if n := copy(dst, q.run(h)); n < len(dst) {
		copy(dst[n:], q.run(0))
	}
	q.head.Store(h + uint64(len(dst)))
	return len(dst)
}

// run is the slots from position i to the end of the memory: a batch that goes
// on beyond it goes on at the start.
func (q *SPSC) run(i uint64) []event.Ref {
	return unsafe.Slice(q.slot(i), q.mask+1-i&q.mask)
}

// PushOver appends r even beyond depth, unless there is no slot left. Producer
// only.
func (q *SPSC) PushOver(r event.Ref) bool {
	t := q.tail.Load()
	if t-q.headSeen > q.mask {
		q.headSeen = q.head.Load()
		if t-q.headSeen > q.mask {
			return false
		}
	}
	*q.slot(t) = r
	q.tail.Store(t + 1)
	return true
}

// Excess is how many events stand beyond depth: the consumer that keeps only the
// newest discards that many, the oldest, before it takes one. Consumer only.
func (q *SPSC) Excess() int {
	q.tailSeen = q.tail.Load()
	held := q.tailSeen - q.head.Load()
	return int(held - min(held, q.depth))
}

// Len is how many events the ring holds: exact while both sides rest, else the
// most that it can have held during the call. Any goroutine.
func (q *SPSC) Len() int {
	h := q.head.Load() // first: a head loaded after tail could be beyond it
	return int(min(q.tail.Load()-h, q.mask+1))
}

// Cap is the depth that Push fills to.
func (q *SPSC) Cap() int { return int(q.depth) }
