package workloads

import (
	"cmp"
	"fmt"
	"slices"

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

// encoded is h as it is kept.
func encoded(h *hdrhistogram.Histogram) string {
	text, err := h.EncodeV2()
	if err != nil {
		panic(fmt.Sprintf("workloads: %v", err)) // cannot be: it writes to memory
	}
	return string(text)
}

// spanTrials gives row the trials of the i-th span of the outcomes, the
// distribution of all valid ones together, and what else the span has.
func (b *Bench) spanTrials(row *record.Row, i int, outcomes []Outcome) {
	row.FloorUnit = "p50-ns"
	merged, spans := newHistogram(), []Span(nil)
	for _, out := range outcomes {
		trial := out.Trial
		trial.Values = nil
		if trial.Invalid == "" {
			span := out.Spans[i]
			h := span.Histogram
			trial.N, trial.Values, trial.Encoded = h.TotalCount(), quantileValues(h), encoded(h)
			if calm := span.Undisturbed; calm != nil {
				trial.Noise = append(slices.Clone(trial.Noise), value(record.DisturbedShare, 1-float64(calm.TotalCount())/float64(h.TotalCount())))
			}
			merged.Merge(h)
			spans = append(spans, span)
		}
		row.Trials = append(row.Trials, trial)
	}
	if len(spans) == 0 {
		return
	}
	row.Distributions = []record.Distribution{judge.NewDistribution(spans[0].Name, merged)}
	if calm := undisturbed(spans); calm != nil {
		row.Distributions = append(row.Distributions, judge.NewDistribution(spans[0].Name+record.Undisturbed, calm))
	}
	outliersOf(row, spans)
	for _, s := range spans {
		for _, in := range s.Intervals {
			in.StartNs += s.Began - spans[0].Began
			row.Intervals = append(row.Intervals, in)
		}
	}
	if i == 0 {
		stampedTrials(row, outcomes)
	}
}

// undisturbed is the events of all trials that met no gap; nil where nobody
// watched for gaps.
func undisturbed(spans []Span) (merged *hdrhistogram.Histogram) {
	for _, s := range spans {
		if s.Undisturbed == nil {
			return nil
		}
		if merged == nil {
			merged = newHistogram()
		}
		merged.Merge(s.Undisturbed)
	}
	return merged
}

// stampedTrials gives the row of the whole way what the trials with stamps tell:
// the parts of it, and beside them the whole that they are the parts of.
func stampedTrials(row *record.Row, outcomes []Outcome) {
	var all []Stamped
	whole := newHistogram()
	for _, out := range outcomes {
		switch s := out.Stamps; {
		case s == nil:
		case s.Invalid != "":
			row.Trials = append(row.Trials, record.Trial{Invalid: "with stamps: " + s.Invalid})
		default:
			all = append(all, *s)
			whole.Merge(s.Whole)
		}
	}
	if len(all) == 0 {
		return
	}
	with := judge.NewDistribution(row.Distributions[0].Name+record.Stamped, whole)
	row.Distributions = append(append(row.Distributions, with), legs(all)...)
	row.Waterfalls = middling(all)
}

// legs are the parts of the whole, over the trials.
func legs(all []Stamped) (list []record.Distribution) {
	for i, leg := range all[0].Legs {
		merged := newHistogram()
		for _, s := range all {
			merged.Merge(s.Legs[i].Histogram)
		}
		d := judge.NewDistribution(leg.Name, merged)
		d.Part = leg.Part
		list = append(list, d)
	}
	return list
}

// middling is of each waterfall the one whose whole is the median over the
// trials: still one real event.
func middling(trials []Stamped) (list []record.Waterfall) {
	for i := range trials[0].Waterfalls {
		var all []record.Waterfall
		for _, s := range trials {
			if i < len(s.Waterfalls) {
				all = append(all, s.Waterfalls[i])
			}
		}
		slices.SortFunc(all, func(a, b record.Waterfall) int { return cmp.Compare(length(a), length(b)) })
		list = append(list, all[len(all)/2])
	}
	return list
}

func length(w record.Waterfall) (ns int64) {
	for _, s := range w.Spans {
		ns += s.Ns
	}
	return ns
}
