package judge

import "strconv"

// Ladder is the percentiles that are printed when there are samples enough.
var Ladder = []float64{50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 99.9999}

// beyondMin is how many samples must be expected beyond a percentile for it to
// be more than the maximum under another name: with -ln 0.025 = 3.6889 expected,
// the chance that none lies there is 2.5 %.
const beyondMin = 3.688879454113936

// SamplesFor is how many independent events percent needs: 368 for 99, 3,688 for
// 99.9, 36,888 for 99.99. percent lies in (0, 100).
func SamplesFor(percent float64) int64 {
	return int64(beyondMin / (1 - percent/100))
}

// MaxPercentile is the highest rung of Ladder that n independent events bear
// out; 0 when they bear out none.
func MaxPercentile(n int64) float64 {
	highest := 0.0
	for _, p := range Ladder {
		if n >= SamplesFor(p) {
			highest = p
		}
	}
	return highest
}

// percentileOf is the percentile that a unit names.
var percentileOf = map[string]float64{
	"p50-ns": 50, "p75-ns": 75, "p90-ns": 90, "p95-ns": 95,
	"p99-ns": 99, "p99.9-ns": 99.9, "p99.99-ns": 99.99, "p99.999-ns": 99.999,
}

// PercentileOf is the percentile that a unit names; false where it names none.
func PercentileOf(unit string) (percent float64, ok bool) {
	percent, ok = percentileOf[unit]
	return percent, ok
}

// tooFewEvents explains a percentile's absence from a trial.
func tooFewEvents(unit string) string {
	p, ok := percentileOf[unit]
	if !ok {
		return ""
	}
	return ": that percentile needs " + Grouped(SamplesFor(p)) + " events a trial"
}

// Grouped writes n with commas between thousands.
func Grouped(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	tail := strconv.FormatInt(n%1000+1000, 10)[1:]
	return Grouped(n/1000) + "," + tail
}
