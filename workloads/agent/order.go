package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

// Order is a load, as it travels: an open loop of v2 frames.
type Order struct {
	Target      string  `json:"target"`      // HOST:PORT, as the agent's list has it
	Rate        float64 `json:"rate"`        // events a second
	DurationNs  int64   `json:"duration_ns"` // of the schedule
	Shape       string  `json:"shape"`       // constant, poisson or burst
	Burst       int     `json:"burst"`       // events at a time, of the shape burst
	Seed        uint64  `json:"seed"`        // of the shape poisson
	Size        int     `json:"size"`        // bytes of payload
	Topic       string  `json:"topic"`
	Priority    uint8   `json:"priority"`
	Connections int     `json:"connections"`
	Producer    uint32  `json:"producer"` // of the ids, 1 to 2^24-1: no two loads share one
	Ask         string  `json:"ask"`      // stored, durable, replicated, or "" for no answers
}

// Spec is the load, but for how to get in at its target.
func (o Order) Spec() (drive.Spec, error) {
	s := drive.Default(o.Target)
	s.Schedule = drive.Schedule{Rate: o.Rate, Burst: o.Burst, Seed: o.Seed}
	s.Duration, s.Size, s.Topic, s.Priority = time.Duration(o.DurationNs), o.Size, o.Topic, event.Priority(o.Priority)
	s.Connections, s.Producer = o.Connections, o.Producer
	var err error
	if s.Schedule.Shape, err = drive.ParseShape(o.Shape); err != nil {
		return s, err
	}
	if o.Ask != "" {
		s.Ask.Wanted = true
		if s.Ask.Level, err = wire.ParseLevel(o.Ask); err != nil {
			return s, err
		}
	}
	switch {
	case s.Schedule.Shape == drive.Replay:
		return s, errors.New("shape replay: its times are a file, and no order holds one")
	case s.Schedule.Rate == 0:
		return s, errors.New("rate 0: an order is an open loop")
	case s.Producer == 0:
		return s, errors.New("producer 0: an order names the one of its ids")
	}
	return s, s.Validate()
}

// Limits are what an agent's user lends.
type Limits struct {
	Targets     []string      `json:"targets"`     // the list of those allowed, HOST:PORT each
	Rate        float64       `json:"rate"`        // events a second, 1 or more
	Duration    time.Duration `json:"duration_ns"` // of a load
	Connections int           `json:"connections"`
	Size        int           `json:"size"` // bytes of payload
	Access      drive.Access  `json:"-"`    // how to get in at the targets
	CPU         int           `json:"-"`    // to pin the sender to
}

// DefaultLimits allow no target yet.
func DefaultLimits() Limits {
	return Limits{Rate: 1_000_000, Duration: time.Minute, Connections: 64, Size: 64 << 10, CPU: drive.Unpinned}
}

// topicMost bounds the bytes of an order's topic.
const topicMost = 256

// admit is the order as a load, if it is within the limits.
func (l *Limits) admit(o Order) (drive.Spec, error) {
	switch {
	case !slices.Contains(l.Targets, o.Target):
		return drive.Spec{}, fmt.Errorf("target %q is not allowed: this agent sends to %s (--allow)", o.Target, strings.Join(l.Targets, ", "))
	case !(o.Rate <= l.Rate):
		return drive.Spec{}, fmt.Errorf("%v events/s: this agent sends at most %v (--most-rate)", o.Rate, l.Rate)
	case o.DurationNs <= 0 || time.Duration(o.DurationNs) > l.Duration:
		return drive.Spec{}, fmt.Errorf("a load of %v: this agent sends for at most %v (--most-duration)", time.Duration(o.DurationNs), l.Duration)
	case o.Connections > l.Connections:
		return drive.Spec{}, fmt.Errorf("%d connections: this agent opens at most %d (--most-connections)", o.Connections, l.Connections)
	case o.Size > l.Size:
		return drive.Spec{}, fmt.Errorf("payloads of %d bytes: this agent sends at most %d (--most-size)", o.Size, l.Size)
	case len(o.Topic) > topicMost:
		return drive.Spec{}, fmt.Errorf("a topic of %d bytes: this agent takes at most %d", len(o.Topic), topicMost)
	}
	spec, err := o.Spec()
	if err != nil {
		return spec, err
	}
	spec.Access, spec.CPU = l.Access, l.CPU
	return spec, spec.Validate()
}
