package bus

import (
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Slots is where events lie, and where their slots go home to.
type Slots struct {
	Arena *memory.Arena
	Pools []*memory.Pool // by number
}

// At is the header of the event.
func (s *Slots) At(r event.Ref) *event.Header { return s.Arena.At(r) }

// Return sends the slots home, each run of one pool's together. Any thread.
func (s *Slots) Return(refs []event.Ref) {
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && refs[n].Pool() == refs[0].Pool() {
			n++
		}
		s.Pools[refs[0].Pool()].Return(refs[:n])
		refs = refs[n:]
	}
}

// DeadLetters is the lane of the events that were given up on. It is bounded,
// and so is the memory that its events hold: one that finds it full is only
// counted, as uncaptured.
type DeadLetters struct {
	Lane   *Lane
	Slots  *Slots
	Askers *Askers // told of the fate of those that ask; nil while none can
}

// Chute is one stage's way to the dead letters. It belongs to the stage's
// thread, but for its counters.
type Chute struct {
	Dropped    [wire.Reasons]metrics.Counter // events given up on, by reason
	Uncaptured metrics.Counter               // those of them that are lost to the dead letters, too

	letters *DeadLetters
	one     [1]event.Ref // DropOne's, here so that it is not allocated
}

// NewChute leads to the dead letters.
func NewChute(d *DeadLetters) *Chute { return &Chute{letters: d} }

// Drop gives up on events, for a reason that goes with them. They are the dead
// letters' then, or gone.
func (c *Chute) Drop(refs []event.Ref, reason wire.Reason) {
	for _, r := range refs {
		h := c.letters.Slots.At(r)
		h.Reason = uint16(reason)
		if h.Answer != 0 {
			c.letters.Askers.Tell(r.Pool(), h.Answer, wire.DeadLettered, reason)
		}
	}
	c.Dropped[reason].Add(uint64(len(refs)))
	if n := c.letters.Lane.Hand(refs); n < len(refs) {
		c.Uncaptured.Add(uint64(len(refs) - n))
		c.letters.Slots.Return(refs[n:])
	}
}

// DropOne is Drop for a single event.
func (c *Chute) DropOne(r event.Ref, reason wire.Reason) {
	c.one[0] = r
	c.Drop(c.one[:], reason)
}
