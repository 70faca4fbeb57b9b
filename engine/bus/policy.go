package bus

import (
	"fmt"

	"eventstreamcore/engine/event"
)

// Policy is what becomes of an event that finds its lane full. It acts on what
// came by a way that may lose (see Lossy); all else is held until there is room.
// Who cannot be held at all (see Holdable) loses under every policy.
type Policy uint8

// The policies.
const (
	BlockProducer Policy = iota // the producer is held: nothing is lost, and senders wait
	DropOld                     // the oldest in the lane gives way: what matters is the present
	DropNew                     // the event is given up on: what is begun is finished

	policies
)

var policyNames = [policies]string{"BLOCK_PRODUCER", "DROP_OLD", "DROP_NEW"}

func (p Policy) String() string {
	if p >= policies {
		return fmt.Sprintf("policy(%d)", uint8(p))
	}
	return policyNames[p]
}

// ParsePolicy is the inverse of String.
func ParsePolicy(name string) (Policy, error) {
	for i, n := range policyNames {
		if n == name {
			return Policy(i), nil
		}
	}
	return 0, fmt.Errorf("overflow policy %q: use BLOCK_PRODUCER, DROP_OLD or DROP_NEW", name)
}

// Policies are the lanes'.
type Policies [event.Lanes]Policy

// DefaultPolicies are the original's.
func DefaultPolicies() Policies {
	return Policies{event.LaneRealtime: DropOld, event.LaneTransactional: BlockProducer, event.LaneBatch: DropNew}
}

// Validate judges the policies.
func (p Policies) Validate() error {
	for lane, policy := range p {
		if policy >= policies {
			return fmt.Errorf("%v lane: overflow policy %d: use 0 (BLOCK_PRODUCER), 1 (DROP_OLD) or 2 (DROP_NEW)", event.Lane(lane), policy)
		}
	}
	return nil
}

// Lossy reports whether an event that came in this way may be dropped because a
// lane is full: a datagram, for its sender cannot be held, and what was
// published in the process. A TCP sender, a file and a feed are held instead.
func Lossy(o event.Origin) bool { return o == event.FromUDP || o == event.FromInternal }

// Holdable reports whether who sends in this way can be made to wait. A datagram
// that waited would make those behind it wait, of which some may be urgent.
func Holdable(o event.Origin) bool { return o != event.FromUDP }
