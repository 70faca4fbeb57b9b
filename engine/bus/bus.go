// Package bus is where the stages meet: a lane for each urgency between the
// dispatcher and the processors, and one from each processor to the store.
//
// It takes the position that a full lane is the producer's affair: handing over
// takes what fits and says how much, and nothing is dropped here. The bus moves
// Refs and never looks at an event.
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
	Bell *duty.Bell
}

// Hand pushes as many of rs as fit, from the front, and wakes the consumer.
func (l *Lane) Hand(rs []event.Ref) int {
	n := l.PushBatch(rs)
	if n > 0 {
		l.Bell.Ring()
	}
	return n
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

// New makes the lanes: REALTIME has one producer, the others any number, and
// each processor has a lane to the store of its own. Whoever drains a lane sets
// its bell.
func New(depths Depths) *Bus {
	b := new(Bus)
	for lane, depth := range depths {
		slots := make([]event.Ref, depth)
		if event.Lane(lane) == event.LaneRealtime {
			b.Routed[lane].Queue = queue.NewSPSC(slots, depth)
		} else {
			b.Routed[lane].Queue = queue.NewMPSC(slots)
		}
		b.Processed[lane].Queue = queue.NewSPSC(make([]event.Ref, depth), depth)
	}
	return b
}
