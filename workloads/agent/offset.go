package agent

import (
	"errors"
	"fmt"
	"time"
)

// Offset bounds by how much an agent's CLOCK_MONOTONIC_RAW is ahead of the
// commander's, in ns. The clocks count from each host's boot, so that the offset
// itself says nothing; its width is how well one host's times can be told on the
// other.
type Offset struct {
	Low, High int64
}

// Middle is the best guess.
func (o Offset) Middle() int64 { return o.Low + (o.High-o.Low)/2 }

// Bound is by how much Middle may be wrong, in ns.
func (o Offset) Bound() int64 { return o.High - o.Middle() }

func (o Offset) String() string {
	return fmt.Sprintf("%v ±%v", time.Duration(o.Middle()), time.Duration(o.Bound()))
}

// Hull holds both: between two measurements, clocks that drift steadily are
// between what the two found.
func (o Offset) Hull(p Offset) Offset { return Offset{min(o.Low, p.Low), max(o.High, p.High)} }

// exchange is one ping: the agent read its clock between two reads of ours.
type exchange struct {
	sent, agent, back int64 // ns: ours, its, ours
}

// errClocks says that clocks were set, or run apart by more than can be.
var errClocks = errors.New("its clock was set, or runs at another rate: no offset fits all the exchanges")

// bounds is the offset that all exchanges allow: the agent's read came after
// ours was sent and before its answer was back, however long each way took.
func bounds(all []exchange) (o Offset, err error) {
	for i, x := range all {
		low, high := x.agent-x.back, x.agent-x.sent
		if i == 0 {
			o = Offset{low, high}
		}
		o.Low, o.High = max(o.Low, low), min(o.High, high)
	}
	if len(all) == 0 || o.Low > o.High {
		return o, errClocks
	}
	return o, nil
}
