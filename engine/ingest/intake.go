// Package ingest is how events come in: over TCP and UDP, from files, and by a call from the same
// process.
//
// It takes the position that nothing taken in is ever dropped here: when no
// slot is free or the lane is full, Admit says no, the caller keeps its bytes
// and comes back, and a TCP sender feels it in its window. Every way in, a
// worker or a publisher, owns what it writes to (pool, lane, counters), so two
// of them never meet before the dispatcher. It decodes and copies; it does not
// route, and it does not know what becomes of an event.
package ingest

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/topic"
	"eventstreamcore/engine/wire"
)

// batch is how many events are handed to the lane at once: enough to spread the
// cost of publishing, few enough that they still lie in the L1 cache (16 KiB of
// 256-byte slots).
const batch = 64

// stepFrames is how many frames a worker admits in one Step at most: it then
// takes about as long as the other stages' Steps do.
const stepFrames = 256

// Intake is one worker's way into the engine. It belongs to one goroutine, but
// for its counters.
type Intake struct {
	pool    *memory.Pool
	lane    *bus.Lane
	wall    *cpu.Timeline
	numbers *Numbers
	id, end uint64 // the block of own ids in use

	// Topics is the table in force, which any goroutine may replace; events of a
	// topic that it knows have at least the priority that it gives. Nil, or
	// holding nil: events have the priority of their frames. Set it before the
	// first event.
	Topics *atomic.Pointer[topic.Table]
	memo   topic.Memo // of senders that have none

	Offered *metrics.Marks // when events were ready for the lane; nil outside a measured run

	received   cpu.Ticks // the last arrival, and
	receivedNs int64     // its time of day: the events of one read share both

	pending  [batch]event.Ref // admitted, not yet in the lane: the first waiting of them
	waiting  int
	unsealed [batch]*event.Header // the last open of the pending ones: sealed together, which is faster
	open     int                  // how many, which is also how many the counters do not have yet
	bytes    uint64               // of those
	Counters Counters
}

// Counters count what came in by one Intake. Its goroutine adds, any may load.
type Counters struct {
	Events   metrics.Counter // admitted
	Bytes    metrics.Counter // of their frames
	LaneFull metrics.Counter // times that the lane had no room
	NoSlot   metrics.Counter // times that the pool had no slot
}

// Arrival is what is known of a frame beside its bytes.
type Arrival struct {
	Received cpu.Ticks    // when its bytes were there
	Answer   uint32       // the connection to answer to; 0 is none
	Origin   event.Origin // by which way
	Memo     *topic.Memo  // its sender's; nil: the intake's
}

// NewIntake fills slots of the pool and hands them to the lane. Its times of
// day come from wall (cpu.Realtime), the ids of events that have none from numbers.
func NewIntake(pool *memory.Pool, lane *bus.Lane, wall *cpu.Timeline, numbers *Numbers) (*Intake, error) {
	if need := event.HeaderSize + wire.MaxBody; pool.Largest() < need {
		return nil, fmt.Errorf("the pool's largest slot holds %d bytes and a frame may need %d: give its last class that size", pool.Largest(), need)
	}
	return &Intake{pool: pool, lane: lane, wall: wall, numbers: numbers}, nil
}

// Admit copies the frame into a slot and queues it for the lane; false means
// that there is no room now and nothing was taken. The frame must be one that
// wire.Decode or Frame.Check accepted. What is queued goes out by itself when a
// batch is full; before it waits for more, the caller calls Flush.
func (in *Intake) Admit(f *wire.Frame, a Arrival) bool {
	if in.waiting == batch && !in.Flush() {
		return false
	}
	size := event.SizeOf(len(f.Topic), len(f.Payload))
	r, h := in.pool.Acquire(size)
	if h == nil {
		if r, h = in.reclaim(size); h == nil {
			return false
		}
	}
	if content, ok := f.Content(); ok {
		fill(h, len(f.Topic), content)
	} else {
		h.Fill(f.Topic, f.Payload)
	}
	in.enter(r, h, f, a)
	return true
}

// fill is Header.Fill in one copy. It copies first, for the content may lie in
// the slot itself, also where the header is.
func fill(h *event.Header, topicLength int, content []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(h)), event.HeaderSize+len(content))[event.HeaderSize:], content)
	h.Length = uint32(event.RecordSize + len(content))
	h.TopicLength = uint16(topicLength)
}

// take gives out a slot of at least size bytes, for adopt, or nil when there is none.
func (in *Intake) take(size int) (event.Ref, *event.Header) {
	if r, h := in.pool.Acquire(size); h != nil {
		return r, h
	}
	return in.reclaim(size)
}

// adopt is Admit of a frame that was received into the slot itself, one that
// take gave out: topic and payload lie in it, one behind the other, at their
// place or before it.
func (in *Intake) adopt(r event.Ref, h *event.Header, f *wire.Frame, a Arrival) bool {
	if in.waiting == batch && !in.Flush() {
		return false
	}
	content, ok := f.Content()
	if !ok { // a payload of 0 bytes at the end of its memory
		content = f.Topic
	}
	fill(h, len(f.Topic), content)
	in.enter(r, h, f, a)
	return true
}

// enter completes the header behind which topic and payload lie, and queues the
// event for the lane.
func (in *Intake) enter(r event.Ref, h *event.Header, f *wire.Frame, a Arrival) {
	if a.Received != in.received {
		in.received, in.receivedNs = a.Received, in.wall.At(a.Received)
	}
	h.Intended, h.Received, h.Left, h.Answer = f.Intended, a.Received, 0, a.Answer
	h.Sequence, h.Wall, h.ID = 0, in.receivedNs, f.ID
	priority := f.Priority
	if in.Topics != nil {
		priority = in.effective(priority, h.Topic(), a.Memo)
	}
	h.Type, h.Priority, h.Flags, h.Origin, h.Reason = event.TypeEvent, priority, f.Flags, a.Origin, 0
	if f.Version != wire.V2 {
		h.ID = in.number()
	}
	in.unsealed[in.open%batch] = h
	in.open++
	in.pending[in.waiting%batch] = r.WithPriority(priority)
	in.waiting++
	in.bytes += uint64(f.Size())
}

// effective is the priority of an event of that topic that claims p.
func (in *Intake) effective(p event.Priority, name []byte, memo *topic.Memo) event.Priority {
	if in.Topics == nil {
		return p
	}
	t := in.Topics.Load()
	if t == nil {
		return p
	}
	if memo == nil {
		memo = &in.memo
	}
	if !memo.Holds(t, name) {
		memo.Ask(t, name)
	}
	return max(p, memo.Priority)
}

// Flush hands what is queued to the lane and reports whether all of it went.
func (in *Intake) Flush() bool {
	if in.waiting == 0 {
		return true
	}
	in.Counters.Events.Add(uint64(in.open))
	in.Counters.Bytes.Add(in.bytes)
	event.Seal(in.unsealed[:in.open])
	metrics.Note(in.Offered, in.pending[in.waiting-in.open:in.waiting])
	in.open, in.bytes = 0, 0
	n := in.lane.Hand(in.pending[:in.waiting])
	in.waiting = copy(in.pending[:], in.pending[n:in.waiting])
	in.pool.Reclaim() // now rather than when the pool runs dry: what comes home is still cached
	if in.waiting == 0 {
		return true
	}
	in.Counters.LaneFull.Add(1)
	return false
}

// Waiting is how many events were admitted and are not in the lane yet.
func (in *Intake) Waiting() int { return in.waiting }

// reclaim brings slots home that were let go of elsewhere, and tries again.
func (in *Intake) reclaim(size int) (event.Ref, *event.Header) {
	for in.pool.Reclaim() > 0 {
		if r, h := in.pool.Acquire(size); h != nil {
			return r, h
		}
	}
	in.Counters.NoSlot.Add(1)
	return 0, nil
}

// number is the next id of the server's own.
func (in *Intake) number() uint64 {
	if in.id == in.end {
		in.id, in.end = in.numbers.block()
	}
	in.id++
	return in.id - 1
}
