// Package bus is where the stages meet: a lane for each urgency between the
// dispatcher and the processors, one from each processor to the store, and one
// for what was given up on.
//
// It takes the position that a full lane is the producer's affair: handing over
// takes what fits and says how much, and what becomes of the rest is decided by
// the stage that holds it, by the lane's Policy. Nobody but its consumer ever
// takes an event out of a lane. Events are looked at only to give them up.
package bus

import (
	"fmt"
	"math/bits"

	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
)

// Queue is what the rings of package queue have in common. It is called once a
// batch, so that the indirection is spread over the batch.
type Queue interface {
	PushBatch([]event.Ref) int
	PopBatch([]event.Ref) int
	Len() int
	Cap() int
}

// Lane is a queue and the bell of the thread that empties it.
type Lane struct {
	Queue
	Bell   *duty.Bell
	Policy Policy
	Parts  int // how many sub-lanes its lane has, itself included

	over *queue.SPSC // the queue, under DropOld
}

// Hand pushes as many of rs as fit, from the front, and wakes the consumer.
func (l *Lane) Hand(rs []event.Ref) int {
	n := l.PushBatch(rs)
	if n > 0 {
		l.Bell.Ring()
	}
	return n
}

// HandOver pushes beyond the depth of a lane that drops its oldest, as far as
// its memory goes: twice its depth.
func (l *Lane) HandOver(rs []event.Ref) (n int) {
	for n < len(rs) && l.over.PushOver(rs[n]) {
		n++
	}
	if n > 0 {
		l.Bell.Ring()
	}
	return n
}

// Excess is how many events stand beyond the depth of a lane that drops its
// oldest, else 0; its consumer's to call.
func (l *Lane) Excess() int {
	if l.over == nil {
		return 0
	}
	return l.over.Excess()
}

// Depths are the capacities of the lanes, in events; powers of two.
type Depths [event.Lanes]int

// DefaultDepths are the original's.
func DefaultDepths() Depths {
	return Depths{event.LaneRealtime: 16_384, event.LaneTransactional: 65_536, event.LaneBatch: 65_536}
}

// DepthMin is the least that a lane holds, or a sub-lane, in events.
const DepthMin = 64

// Validate judges the capacities.
func (d Depths) Validate() error {
	for lane, depth := range d {
		if depth < DepthMin || depth > 1<<24 || depth&(depth-1) != 0 {
			return fmt.Errorf("%v lane: depth %d must be a power of two from %d to %d", event.Lane(lane), depth, DepthMin, 1<<24)
		}
	}
	return nil
}

// Bus is all the lanes behind the dispatcher. REALTIME is one; the others are
// divided into sub-lanes, each with a processor of its own, so that several
// threads can drain a lane: a sub-lane is a lane of a K-th of the depth, and all
// events of a producer go through the same one.
type Bus struct {
	Routed    []Lane // dispatcher to processors: each lane's sub-lanes in a row (see At)
	Processed []Lane // processors to the store: likewise
	Sublanes  int    // K
}

// SublanesMax bounds the sub-lanes of a lane.
const SublanesMax = 16

// New makes the lanes: one that drops its oldest, and REALTIME, has one
// producer, the others any number, and each processor has a lane to the store
// of its own. Lanes without a policy hold their producers. Whoever drains a lane
// sets its bell.
func New(depths Depths, policies ...Policy) *Bus { return NewDivided(1, depths, policies...) }

// NewDivided is New with TRANSACTIONAL and BATCH divided into sub-lanes, a power
// of two of them, up to SublanesMax and a 64th of a lane's depth.
func NewDivided(sublanes int, depths Depths, policies ...Policy) *Bus {
	b := &Bus{Sublanes: sublanes}
	for lane, depth := range depths {
		l := Lane{Parts: sublanes}
		if event.Lane(lane) == event.LaneRealtime {
			l.Parts = 1
		}
		if lane < len(policies) {
			l.Policy = policies[lane]
		}
		depth /= l.Parts
		for range l.Parts {
			l.open(depth, event.Lane(lane) == event.LaneRealtime)
			b.Routed = append(b.Routed, l)
			b.Processed = append(b.Processed, Lane{Queue: queue.NewSPSC(make([]event.Ref, depth), depth), Parts: l.Parts})
		}
	}
	return b
}

// At is where the first sub-lane of a lane stands; the others follow.
func (b *Bus) At(lane event.Lane) int {
	if lane == event.LaneRealtime {
		return 0
	}
	return 1 + int(lane-1)*b.Sublanes
}

// Sublane is which of so many sub-lanes the events of a producer go through.
// Multiples of the golden ratio lie evenly, however few: producers that are
// numbered in a row are dealt out to all.
func Sublane(producer uint64, sublanes int) int {
	const golden = 0x9E3779B97F4A7C15 // 2^64 over the ratio
	part, _ := bits.Mul64(producer*golden, uint64(sublanes))
	return int(part)
}

func (l *Lane) open(depth int, single bool) {
	switch {
	case l.Policy == DropOld:
		l.over = queue.NewSPSC(make([]event.Ref, 2*depth), depth)
		l.Queue = l.over
	case single:
		l.Queue = queue.NewSPSC(make([]event.Ref, depth), depth)
	default:
		l.Queue = queue.NewMPSC(make([]event.Ref, depth))
	}
}
