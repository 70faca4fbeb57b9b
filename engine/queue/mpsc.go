package queue

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// MPSC is a bounded ring of events with many producers and one consumer.
//
// Shape. Any number of goroutines may push, one at a time may pop. A push that
// finds the ring full refuses, one of a batch takes as many as there is room for.
//
// Ownership. A slot is one word: an event, which leaves the top bit free, and in
// the top bit whether the word is of an even or an odd lap of the ring. For each
// position one of the two means filled; a slot can be filled again only after the
// consumer passed it, so the word that lies there is of this lap or of the last,
// and one bit tells which. The consumer therefore writes no slot.
//
//  1. A producer claims positions [t, t+n) by one compare-and-swap on tail, from
//     t, having seen head at t+n-len(slots) or later. They are its own until:
//  2. it writes the words of t+1 to t+n-1 plainly, and then stores that of t
//     atomically. This publishes all n: a consumer that loads the word of t
//     filled sees the others.
//  3. The consumer loads words in order, and each that is filled is its own
//     until it stores head beyond it. A producer that sees that head, directly
//     or through headSeen, may overwrite it.
//
// Plain writes and atomic loads of one word never meet. The claims tile the
// positions, and the consumer stops at the first word that is not filled. That
// word is always the first of a claim, which is only ever stored atomically: the
// words behind it in the claim were filled before it was, so a consumer that got
// past it finds them filled, and one that did not does not look at them. (Hence
// no count of the words that belong together is kept anywhere: the last of one
// claim is followed by the first of the next.) Nor can the write of the next lap
// meet the load of this one: that claim waited for a head beyond it.
//
// Layout. Three groups of lines, two lines apart:
//
//	slots, mask, turn, lag  written by NewMPSC only
//	tail, headSeen          written by producers, who contend for it
//	head, next              written by the consumer
//
// headSeen is what some producer last saw of head. It may step back when two
// refresh it at once, which only makes them look again. Producers read the
// consumer's line once a lap or when the ring is full.
//
// Progress. Push is lock-free: its compare-and-swap fails only because another
// producer's succeeded. Pop is wait-free. But events come out in the order in
// which positions were claimed, so a producer that stalls between its claim and
// its publication hides everything claimed after it until it goes on: the
// consumer finds the ring empty, and the others can fill what room there is.
//
// Accounting. Pop publishes head when the ring runs empty and at every lag-th
// position, for an atomic store is most of what it costs; PopBatch always does.
// So the producers may take the ring for fuller than it is by up to lag-1 slots
// that Pop has emptied, lag being 32 or a quarter of the ring; never for
// emptier, and exact once the consumer found it empty. A consumer that must give
// back every slot at once uses PopBatch with room for one.
//
// Cost on amd64: a push is two locked instructions (claim and publication)
// whatever it carries, a pop one in lag.
type MPSC struct {
	_     cpu.Pad
	slots unsafe.Pointer // *[mask+1]event.Ref
	mask  uint64
	turn  uint8  // shifts the lowest bit of a position's lap into the top bit
	lag   uint64 // mask: Pop publishes positions of which these bits are 0

	_        cpu.Pad
	tail     atomic.Uint64 // the position to claim next
	headSeen atomic.Uint64 // never beyond head, so it errs towards full

	_    cpu.Pad
	head atomic.Uint64 // up to here the slots are the producers' again
	next uint64        // the position to take next; consumer only
	_    cpu.Pad
}

const (
	lapBit = 1 << 63
	lagMax = 32
)

// NewMPSC makes a ring of the slots, a power of two of them, and zeroes them.
func NewMPSC(slots []event.Ref) *MPSC {
	mustBePowerOfTwo("slots", len(slots))
	clear(slots)
	return &MPSC{
		slots: unsafe.Pointer(unsafe.SliceData(slots)),
		mask:  uint64(len(slots) - 1),
		turn:  uint8(64 - bits.Len(uint(len(slots)))),
		lag:   uint64(min(lagMax, max(1, len(slots)/4)) - 1),
	}
}

// Push appends r, of which the top bit must be 0, unless the ring is full. Any
// goroutine.
func (q *MPSC) Push(r event.Ref) bool {
	t := q.tail.Load()
	if t-q.headSeen.Load() > q.mask || !q.tail.CompareAndSwap(t, t+1) {
		var n int
		if t, n = q.claim(1); n == 0 {
			return false
		}
	}
	q.word(t).Store(q.filled(t, r))
	return true
}

// Pop takes the oldest event, if there is one. Consumer only.
func (q *MPSC) Pop() (event.Ref, bool) {
	w := q.word(q.next).Load()
	if !q.isFilled(q.next, w) {
		q.publish()
		return 0, false
	}
	q.next++
	if q.next&q.lag == 0 {
		q.head.Store(q.next)
	}
	return event.Ref(w &^ lapBit), true
}

// word is the slot of position i.
func (q *MPSC) word(i uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(q.slots, (i&q.mask)*refSize))
}

// filled is the word that says that position i holds r: the top bit is set in
// even laps, so that memory that was never written is empty in the first.
func (q *MPSC) filled(i uint64, r event.Ref) uint64 {
	return uint64(r) | ^(i<<(q.turn&63))&lapBit
}

// isFilled tells whether w was written for position i, not for one a lap before.
func (q *MPSC) isFilled(i, w uint64) bool { return int64(i<<(q.turn&63)^w) < 0 }

func (q *MPSC) publish() {
	if q.head.Load() != q.next {
		q.head.Store(q.next)
	}
}

// PushBatch appends events from the front of rs, as many as there is room for,
// and says how many. They stay together and become visible together. Any
// goroutine.
func (q *MPSC) PushBatch(rs []event.Ref) int {
	t, n := q.claim(len(rs))
	if n == 0 {
		return 0
	}
	k := q.fill(t+1, rs[1:n])
	q.fill(t+1+uint64(k), rs[1+k:n])
	q.word(t).Store(q.filled(t, rs[0]))
	return n
}

// fill writes the words from position i on plainly, up to the end of the memory,
// and says how many.
func (q *MPSC) fill(i uint64, rs []event.Ref) int {
	words := unsafe.Slice((*uint64)(unsafe.Pointer(q.word(i))), min(uint64(len(rs)), q.mask+1-i&q.mask))
	lap := q.filled(i, 0)
	for j, r := range rs[:len(words)] {
		words[j] = uint64(r) | lap
	}
	return len(words)
}

// claim makes up to want positions the caller's, from t on, and says how many.
func (q *MPSC) claim(want int) (t uint64, n int) {
	for {
		t = q.tail.Load()
		free := q.mask + 1 - (t - q.headSeen.Load())
		if free > q.mask+1 || free < uint64(want) {
			head := q.head.Load() // after tail: what is full now was full at this moment
			q.headSeen.Store(head)
			if free = q.mask + 1 - (t - head); free > q.mask+1 {
				continue // head is beyond t: others have moved tail on
			}
		}
		n = int(min(free, uint64(want)))
		if n == 0 || q.tail.CompareAndSwap(t, t+uint64(n)) {
			return t, n
		}
	}
}

// PopBatch takes the oldest events, as many as there are and dst has room for,
// and says how many. Consumer only.
func (q *MPSC) PopBatch(dst []event.Ref) int {
	n := q.take(dst, q.next)
	if (q.next+uint64(n))&q.mask == 0 { // up to the end of the memory: go on at its start
		n += q.take(dst[n:], q.next+uint64(n))
	}
	q.next += uint64(n)
	q.publish()
	return n
}

// take copies out what is filled from position i on, up to the end of the
// memory, and says how many.
func (q *MPSC) take(dst []event.Ref, i uint64) int {
	words := unsafe.Slice(q.word(i), min(uint64(len(dst)), q.mask+1-i&q.mask))
	dst = dst[:len(words)]
	lap := q.filled(i, 0)
	for j := range words {
		w := words[j].Load() ^ lap
		if w >= lapBit {
			return j
		}
		dst[j] = event.Ref(w)
	}
	return len(words)
}

// Len is how many positions are claimed and not given back: the most that the
// ring can hold, up to lag-1 more than Pop left in it. Any goroutine.
func (q *MPSC) Len() int {
	h := q.head.Load() // first: a head loaded after tail could be beyond it
	return int(min(q.tail.Load()-h, q.mask+1))
}

// Cap is how many events the ring has room for.
func (q *MPSC) Cap() int { return int(q.mask + 1) }
