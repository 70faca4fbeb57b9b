package workloads

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"eventstreamcore/reports/record"
)

// When a row is not steady: by a chance under steadyAlpha and by an effect over
// steadyShare of its median. Fewer than steadyLeast trials say nothing.
const (
	steadyAlpha = 0.01
	steadyShare = 0.05
	steadyLeast = 8
)

// steadiness is how a figure went over trials in their order: whether it has a
// slope, whether its halves differ, and whether it falls into groups.
func steadiness(unit string, values []float64, warmUp int) *record.Steadiness {
	s := &record.Steadiness{Unit: unit, WarmUp: warmUp, SlopeP: 1, HalvesP: 1}
	if len(values) < steadyLeast {
		s.Verdict = fmt.Sprintf("not judged: %d trials, %d are needed", len(values), steadyLeast)
		return s
	}
	center := median(values)
	s.Slope, s.SlopeP = slope(values)
	s.Slope /= center
	first, second := values[:len(values)/2], values[len(values)/2:]
	s.HalvesP = halves(first, second)
	s.Modes = modes(values)
	var wrong []string
	if s.SlopeP < steadyAlpha && math.Abs(s.Slope) > steadyShare {
		wrong = append(wrong, fmt.Sprintf("drifts by %+.0f %% from the first trial to the last", s.Slope*100))
	}
	if change := median(second)/median(first) - 1; len(wrong) == 0 && s.HalvesP < steadyAlpha && math.Abs(change) > steadyShare {
		wrong = append(wrong, fmt.Sprintf("the second half is %+.0f %% from the first", change*100))
	}
	if len(s.Modes) > 1 {
		wrong = append(wrong, fmt.Sprintf("two modes: %.4g in %d trials, %.4g in %d", s.Modes[0].Center, s.Modes[0].Trials, s.Modes[1].Center, s.Modes[1].Trials))
	}
	s.Unsteady = len(wrong) > 0
	if s.Verdict = "steady"; s.Unsteady {
		s.Verdict = strings.Join(wrong, "; ")
	}
	return s
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// slope is Theil and Sen's, from the first value to the last, and the chance of
// as many rises over falls without one (Kendall's S, normal from eight on).
func slope(values []float64) (rise, p float64) {
	n, balance := len(values), 0
	var slopes []float64
	for j := range values {
		for i := range j {
			d := values[j] - values[i]
			slopes = append(slopes, d/float64(j-i))
			switch {
			case d > 0:
				balance++
			case d < 0:
				balance--
			}
		}
	}
	deviation := math.Sqrt(float64(n*(n-1)*(2*n+5)) / 18)
	z := max(math.Abs(float64(balance))-1, 0) / deviation
	return median(slopes) * float64(n-1), math.Erfc(z / math.Sqrt2)
}

// halves is the chance that two parts of one row differ so much by chance.
func halves(first, second []float64) float64 {
	a := benchmath.NewSample(slices.Clone(first), &benchmath.DefaultThresholds)
	b := benchmath.NewSample(slices.Clone(second), &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Compare(a, b).P
}

// When values fall into two groups: each has a fifth of them and modeLeast, and
// what lies between is modeApart times as wide as either and a tenth of the lower.
const (
	modeLeast = 3
	modeApart = 2
	modeShare = 0.1
)

// modes is the groups that the values fall into, one or two.
func modes(values []float64) []record.Mode {
	sorted := slices.Sorted(slices.Values(values))
	least := max(modeLeast, (len(sorted)+4)/5)
	split, widest := 0, 0.0
	for i := least; i <= len(sorted)-least; i++ {
		if apart := sorted[i] - sorted[i-1]; apart > widest {
			split, widest = i, apart
		}
	}
	low, high := sorted[:split], sorted[split:]
	if split == 0 || widest < modeShare*median(low) || widest < modeApart*max(low[len(low)-1]-low[0], high[len(high)-1]-high[0]) {
		return []record.Mode{{Center: median(sorted), Trials: len(sorted)}}
	}
	return []record.Mode{{Center: median(low), Trials: len(low)}, {Center: median(high), Trials: len(high)}}
}

// warmUp is how many of the first trials are not yet like the rest: those, in
// turn from the first, that lie outside the range of the second half by more than
// its width. At most half of all.
func warmUp(values []float64) (trials int) {
	if len(values) < steadyLeast {
		return 0
	}
	settled := values[len(values)/2:]
	low, high := slices.Min(settled), slices.Max(settled)
	width := high - low
	for trials < len(values)/2 && (values[trials] < low-width || values[trials] > high+width) {
		trials++
	}
	return trials
}

// figure is what a trial is followed by over time: its first value, or the
// median of its whole way; NaN of one that does not count.
func (out Outcome) figure() float64 {
	switch {
	case out.Invalid != "":
		return math.NaN()
	case len(out.Values) > 0:
		return out.Values[0].Value
	case len(out.Spans) > 0:
		return float64(out.Spans[0].Histogram.ValueAtPercentile(50))
	}
	return math.NaN()
}

// unsettled is how many of the outcomes are warm-up: the first, in which a trial
// finds how many operations it takes, and those that are not like the rest.
func unsettled(outcomes []Outcome) int {
	var values []float64
	for _, out := range outcomes[1:] {
		v := out.figure()
		if math.IsNaN(v) {
			return 1
		}
		values = append(values, v)
	}
	return 1 + warmUp(values)
}

// steady judges a row by the first unit of its trials.
func steady(row *record.Row, warmUp int) {
	units := row.Units()
	if len(units) == 0 {
		return
	}
	row.Steadiness = steadiness(units[0], row.Values(units[0]), warmUp)
}
