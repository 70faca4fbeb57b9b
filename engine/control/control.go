// Package control decides how hard the engine defends itself.
//
// It takes the position that a controller is a function of figures: Step is
// given a Sample and gives back a Decision, and between the two stand a table,
// a second of history and a counter, all in the Plane. It reads no clock,
// touches no queue, logs nothing and starts nothing, so that every transition
// can be had again from its figures, and two planes in one process cannot
// meet. Who carries a decision out, and whether it can be, is the engine's
// business.
package control

import (
	"fmt"
	"time"

	"eventstreamcore/engine/event"
)

// State is how much pressure the engine is under.
type State uint8

// The states, mildest first. Each acts as the one before it does, and more.
const (
	Healthy   State = iota // nothing to do
	Elevated               // more workers
	Degraded               // transactions pause: TCP producers are held, who asked for an answer is told
	Critical               // batch events are dropped
	Emergency              // all but CRITICAL events are dropped

	// States is how many there are.
	States = 5
)

var stateNames = [States]string{"HEALTHY", "ELEVATED", "DEGRADED", "CRITICAL", "EMERGENCY"}

func (s State) String() string {
	if s >= States {
		return fmt.Sprintf("state(%d)", uint8(s))
	}
	return stateNames[s]
}

// ParseState is the inverse of String.
func ParseState(name string) (State, error) {
	for i, n := range stateNames {
		if n == name {
			return State(i), nil
		}
	}
	return 0, fmt.Errorf("state %q: use one of HEALTHY, ELEVATED, DEGRADED, CRITICAL, EMERGENCY", name)
}

// MarshalText writes the name: for JSON and logs.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *State) UnmarshalText(b []byte) (err error) {
	*s, err = ParseState(string(b))
	return err
}

// Thresholds are what the table's bounds are made of; the names in brackets are
// those of the configuration.
type Thresholds struct {
	// MaxQueueDepth [max_queue_depth] is the events in one lane that count as
	// 100 %, where the lane's capacity is not less: 1 to 16,777,216, default
	// 5,000. Low, and bursts that the lanes could hold are met with drops; high,
	// and an event waits long before anything is done.
	MaxQueueDepth int

	// MaxDropRate [max_drop_rate, there in percent] is the share of events
	// dropped against anyone's will at which DEGRADED begins: above 0 to 0.2,
	// default 0.02. The other bounds are a half, twice and five times as much.
	MaxDropRate float64

	// MaxLatency [max_latency_ms] is the time from received to processed beyond
	// which the engine says that it is late: 1 ms to 1 min, default 100 ms. It
	// moves no state, for what is late is seen as depth.
	MaxLatency time.Duration

	// MinEvents [min_events_for_evaluation] is how many events a second must
	// hold for its drop rate to mean anything: 1 to 1,000,000,000, default 1,000.
	// With fewer, depth alone decides.
	MinEvents uint64

	// RecoveryFactor [recovery_factor] is the share of a state's bound under
	// which it is left again: 0.1 to 1, default 0.8. At 1 the state flutters; low,
	// and a defence outlives its cause.
	RecoveryFactor float64
}

// Default is the original's.
func Default() Thresholds {
	return Thresholds{MaxQueueDepth: 5000, MaxDropRate: 0.02, MaxLatency: 100 * time.Millisecond, MinEvents: 1000, RecoveryFactor: 0.8}
}

// Validate says what is out of range, by the configuration's name, or returns nil.
func (t Thresholds) Validate() error {
	switch {
	case t.MaxQueueDepth < 1 || t.MaxQueueDepth > 1<<24:
		return fmt.Errorf("max_queue_depth: %d must be 1 to %d", t.MaxQueueDepth, 1<<24)
	case !(t.MaxDropRate > 0 && t.MaxDropRate <= 0.2):
		return fmt.Errorf("max_drop_rate: %g %% must be above 0 %% and at most 20 %%", 100*t.MaxDropRate)
	case t.MaxLatency < time.Millisecond || t.MaxLatency > time.Minute:
		return fmt.Errorf("max_latency_ms: %d must be 1 to 60000", t.MaxLatency.Milliseconds())
	case t.MinEvents < 1 || t.MinEvents > 1e9:
		return fmt.Errorf("min_events_for_evaluation: %d must be 1 to 1000000000", t.MinEvents)
	case !(t.RecoveryFactor >= 0.1 && t.RecoveryFactor <= 1):
		return fmt.Errorf("recovery_factor: %g must be 0.1 to 1", t.RecoveryFactor)
	}
	return nil
}

// Depth is how full a lane is: 1 is MaxQueueDepth events, or the lane's
// capacity where that is less. A Sample wants the fullest lane's.
func (t Thresholds) Depth(length, capacity int) float64 {
	return float64(length) / float64(max(1, min(t.MaxQueueDepth, capacity)))
}

// Sample is what a Plane is told.
type Sample struct {
	Now      time.Time     // from a clock that never goes back
	Depth    float64       // the fullest lane's, by Thresholds.Depth
	Received uint64        // events taken in since the start
	Dropped  uint64        // of them, dropped against anyone's will: never those that a Decision ordered
	Latency  time.Duration // the worst of late, from received to processed; 0: not known
}

// Decision is what to do now. It may be compared: where it equals the last one,
// there is nothing new to do.
type Decision struct {
	State             State          `json:"state"`
	MoreWorkers       bool           `json:"more_workers"`       // drain more lanes in parallel, or say that no CPU is spare
	PauseTransactions bool           `json:"pause_transactions"` // hold TCP producers; answer frames that ask with "paused"
	Least             event.Priority `json:"least_priority"`     // drop events of a lower priority than this; BATCH drops none
	Late              bool           `json:"late"`               // the latency is over MaxLatency: say so
}

// decide is the table's last column.
func decide(s State) Decision {
	d := Decision{State: s, MoreWorkers: s >= Elevated, PauseTransactions: s >= Degraded}
	switch s {
	case Critical: // what would go to the batch lane
		d.Least = event.Medium
	case Emergency:
		d.Least = event.Critical
	}
	return d
}
