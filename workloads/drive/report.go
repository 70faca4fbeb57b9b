package drive

import (
	"time"

	"eventstreamcore/engine/metrics"
)

// Report is what a load did.
type Report struct {
	Sent       uint64  `json:"sent"`        // events given to the kernel
	Bytes      uint64  `json:"bytes"`       // of their frames
	StartNs    int64   `json:"start_ns"`    // when the schedule began, on CLOCK_MONOTONIC_RAW
	DurationNs int64   `json:"duration_ns"` // from the start to the last write's return
	Rate       float64 `json:"rate"`        // events a second, achieved
	Asked      float64 `json:"asked_rate"`  // 0 is a closed loop
	Writes     uint64  `json:"writes"`
	Full       uint64  `json:"full,omitempty"` // looks at a full window, of a pinned sender: the server held it
	Producer   uint32  `json:"producer"`       // of the ids; 0 with v1 frames

	// The generator's own lateness: an open loop's intended -> sent.
	Debt   *Quantiles `json:"debt,omitempty"`
	Calm   *Quantiles `json:"debt_undisturbed,omitempty"` // of the events into whose wait no gap of the sender's own fell
	Lost   *Lost      `json:"lost,omitempty"`             // by those gaps
	LagNs  int64      `json:"lag_ns"`                     // how much longer than its schedule it took
	KeptUp bool       `json:"kept_up"`                    // that is at most 1 %, or 10 ms

	// ResidualNs is by how much the counter's prediction of CLOCK_MONOTONIC_RAW was
	// off at the most, each 100 ms: how far intended times may be trusted.
	ResidualNs int64 `json:"residual_ns"`

	Stamps []Stamp `json:"-"` // of each event, if they were asked for

	Answers *Answers `json:"answers,omitempty"` // where they were asked for

	Partial     bool `json:"partial,omitempty"`     // interrupted
	Unconfirmed int  `json:"unconfirmed,omitempty"` // connections that the server did not read to the end within 5 s
}

// Quantiles sum up a distribution, in ns. A percentile is missing where there are
// too few events for it.
type Quantiles struct {
	Mean int64 `json:"mean_ns"`
	P50  int64 `json:"p50_ns"`
	P99  int64 `json:"p99_ns,omitempty"`
	P999 int64 `json:"p99_9_ns,omitempty"`
	Max  int64 `json:"max_ns"`

	Of *metrics.Snapshot `json:"-"` // the distribution itself
}

// How many events a percentile needs.
const (
	leastForP99  = 368
	leastForP999 = 3688
)

func newQuantiles(s *metrics.Snapshot) *Quantiles {
	if s.Count == 0 {
		return nil
	}
	q := &Quantiles{Of: s, Mean: int64(s.Sum / s.Count), P50: s.Quantile(0.5), Max: s.Max}
	if s.Count >= leastForP99 {
		q.P99 = s.Quantile(0.99)
	}
	if s.Count >= leastForP999 {
		q.P999 = s.Quantile(0.999)
	}
	return q
}

// A generator keeps up if it takes at most slackShare longer than its schedule,
// or slackLeast: a host's gaps are as long as that, and it makes up for one.
const (
	slackShare = 0.01
	slackLeast = 10 * time.Millisecond
)

func keptUp(lag, span int64) bool {
	return lag <= max(slackLeast.Nanoseconds(), int64(slackShare*float64(span)))
}
