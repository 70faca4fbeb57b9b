package bus

import (
	"fmt"

	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/wire"
)

// Askers are the ways back to the clients that asked what becomes of their
// events: to each worker that has connections a lane of receipts, found by the
// pool that its events lie in. Whichever stage meets an event's fate tells; the
// lanes take from any thread. An event that asks nothing costs a stage one look
// at its Answer, in a line that it has at hand.
type Askers struct {
	Mode wire.Mode // the log's, which every answer names

	lanes [event.MaxPools]receipts
}

type receipts struct {
	*queue.MPSC
	bell *duty.Bell
}

// Open makes the lane for the events of a pool, of which so many may be asked
// about at once: a power of two. The bell is that of the worker that empties it.
func (a *Askers) Open(pool, questions int, bell *duty.Bell) *Lane {
	r := receipts{MPSC: queue.NewMPSC(make([]event.Ref, questions)), bell: bell}
	a.lanes[pool] = r
	return &Lane{Queue: r.MPSC, Bell: bell}
}

// Tell answers the question that an event of the pool asked. Any thread, once
// for each question.
func (a *Askers) Tell(pool uint8, question uint32, o wire.Outcome, why wire.Reason) {
	to := &a.lanes[pool%event.MaxPools]
	if !to.Push(wire.NewReceipt(question, o, why, a.Mode)) {
		panic(fmt.Sprintf("bus: more than %d receipts for pool %d: some question was answered twice", to.Cap(), pool))
	}
	to.bell.Ring()
}
