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

// Validate judges the capacities.
func (d Depths) Validate() error {
	for lane, depth := range d {
		if depth < 64 || depth > 1<<24 || depth&(depth-1) != 0 {
			return fmt.Errorf("%v lane: depth %d must be a power of two from 64 to %d", event.Lane(lane), depth, 1<<24)
		}
	}
	return nil
}

// Bus is all the lanes behind the dispatcher.
type Bus struct {
	Routed    [event.Lanes]Lane // dispatcher to processors
	Processed [event.Lanes]Lane // processors to the store
}

// New makes the lanes: one that drops its oldest, and REALTIME, has one
// producer, the others any number, and each processor has a lane to the store
// of its own. Lanes without a policy hold their producers. Whoever drains a lane
// sets its bell.
func New(depths Depths, policies ...Policy) *Bus {
	b := new(Bus)
	for lane, depth := range depths {
		if lane < len(policies) {
			b.Routed[lane].Policy = policies[lane]
		}
		b.Routed[lane].open(depth, event.Lane(lane) == event.LaneRealtime)
		b.Processed[lane].Queue = queue.NewSPSC(make([]event.Ref, depth), depth)
	}
	return b
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
