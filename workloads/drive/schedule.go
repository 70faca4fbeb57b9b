// Package drive sends load: it says when each event is due, and sends it then.
//
// It takes the position of the open loop: the times are made beforehand and
// belong to the schedule, not to the sender. An event that could not be sent in
// time is sent at once, with the time that it should have had, so that a stall
// of the receiver is counted against every event it delayed; how late the sender
// itself was is measured and reported as its debt. A closed loop, as fast as
// possible, is there for throughput, and says nothing of latency.
package drive

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Shape says how the times of a schedule lie.
type Shape uint8

// The shapes.
const (
	Constant Shape = iota // evenly
	Poisson               // independently of each other, as those of many clients do
	Burst                 // Burst events at the same moment, then a pause
	Replay                // as the events of a trace once came, over and over
	shapes
)

var shapeNames = [shapes]string{"constant", "poisson", "burst", "replay"}

func (s Shape) String() string {
	if s >= shapes {
		return fmt.Sprintf("shape(%d)", uint8(s))
	}
	return shapeNames[s]
}

// ParseShape is the inverse of String.
func ParseShape(name string) (Shape, error) {
	for i, n := range shapeNames {
		if n == name {
			return Shape(i), nil
		}
	}
	return 0, fmt.Errorf("shape %q: use constant, poisson, burst or replay", name)
}

// Schedule is when events are due. It is plain data: the same values give the
// same times.
type Schedule struct {
	Shape Shape
	Rate  float64 // events a second on average, 0.001 to 1e9
	Burst int     // events at a time, with the shape Burst: at least 1
	Seed  uint64  // of the shape Poisson
	Trace Trace   // of the shape Replay, at whose own Rate it is as it was
}

// Validate judges the schedule.
func (s *Schedule) Validate() error {
	switch {
	case s.Shape >= shapes:
		return fmt.Errorf("%v: use constant, poisson, burst or replay", s.Shape)
	case !(s.Rate >= 0.001 && s.Rate <= 1e9):
		return fmt.Errorf("rate %v: must be 0.001 to 1e9 events a second", s.Rate)
	case s.Shape == Burst && s.Burst < 1:
		return fmt.Errorf("burst of %d events: must be at least 1", s.Burst)
	case s.Shape == Replay && s.Trace == nil:
		return errors.New("the shape replay needs a trace to replay")
	}
	return nil
}

// Pacer walks a schedule. It reads no clock.
type Pacer struct {
	next   int64 // ns after the start
	period float64
	group  uint64 // events that share a time
	index  uint64 // of the next event
	drawn  float64
	random *rand.Rand // nil unless Poisson
	trace  Trace      // nil unless Replay
	scale  float64    // of its times
}

// NewPacer stands before the first event of a valid schedule, which is due at 0.
func NewPacer(s Schedule) *Pacer {
	p := &Pacer{period: 1e9 / s.Rate, group: 1}
	switch s.Shape {
	case Poisson:
		p.random = rand.New(rand.NewPCG(s.Seed, 0))
	case Burst:
		p.group = uint64(s.Burst)
	case Replay:
		p.trace, p.scale = s.Trace, s.Trace.Rate()/s.Rate
	}
	return p
}

// Next is when the next event is due, in ns after the start.
func (p *Pacer) Next() int64 { return p.next }

// Take goes on to the following event, and returns when the one before was due.
func (p *Pacer) Take() (due int64) {
	due = p.next
	p.index++
	switch {
	case p.random != nil:
		p.drawn += p.random.ExpFloat64() * p.period
		p.next = int64(p.drawn)
	case p.trace != nil:
		round, i := p.index/uint64(len(p.trace)), p.index%uint64(len(p.trace))
		p.next = int64(p.scale * (float64(round)*float64(p.trace.length()) + float64(p.trace[i])))
	default:
		// From the index, not by adding up: a sum of rounded periods drifts.
		p.next = int64(math.Round(float64(p.index/p.group*p.group) * p.period))
	}
	return due
}
