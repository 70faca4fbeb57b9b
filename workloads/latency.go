package workloads

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Latencies are recorded to three digits, up to a minute; what takes longer is
// counted as that, and a trial that long has failed otherwise.
const (
	latencyMax    = 60_000_000_000 // ns
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, latencyMax, latencyDigits)
}

// recordLatency counts one latency. Less than the counter resolves is 1 ns: a
// zero would break the tables of those who read the file.
func recordLatency(h *hdrhistogram.Histogram, ns int64) {
	if err := h.RecordValue(min(max(ns, 1), latencyMax)); err != nil {
		panic(fmt.Sprintf("workloads: %v", err)) // cannot be: it is within the range
	}
}

// quantiles are the percentiles that a trial's line carries, as far as its
// number of events bears them out.
var quantiles = []struct {
	percent float64
	unit    string
}{{50, "p50-ns"}, {99, "p99-ns"}, {99.9, "p99.9-ns"}}

func quantileValues(h *hdrhistogram.Histogram) (values []record.Value) {
	highest := judge.MaxPercentile(h.TotalCount())
	for _, q := range quantiles {
		if q.percent <= highest {
			values = append(values, value(q.unit, float64(h.ValueAtPercentile(q.percent))))
		}
	}
	return values
}

// spanTrials gives row the trials of the i-th span of the outcomes, and the
// distribution of all valid ones together.
func (b *Bench) spanTrials(row *record.Row, i int, outcomes []Outcome) {
	row.FloorUnit = "p50-ns"
	merged := newHistogram()
	for _, out := range outcomes {
		trial := out.Trial
		trial.Values = nil
		if trial.Invalid == "" {
			h := out.Spans[i].Histogram
			trial.N, trial.Values = h.TotalCount(), quantileValues(h)
			merged.Merge(h)
		}
		row.Trials = append(row.Trials, trial)
	}
	row.Distributions = []record.Distribution{judge.NewDistribution(outcomes[0].Spans[i].Name, merged)}
}
