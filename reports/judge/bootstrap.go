package judge

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// resamples is how often a ratio is drawn anew: enough for the second digit of
// its interval.
const resamples = 2000

// ratioInterval is the 95 % interval of the ratio of medians, new over old: the
// run is the unit, so whole trials are drawn with replacement on each side, and
// with them the error of the floor where there is one. The seed comes from the
// row's name: the same data give the same interval.
func ratioInterval(old, new Sample) (low, high float64) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(old.Row + " " + old.Unit)) // a hash takes everything
	r := rand.New(rand.NewPCG(h.Sum64(), resamples))
	ratios := make([]float64, resamples)
	a, b := make([]float64, len(old.Values)), make([]float64, len(new.Values))
	for i := range ratios {
		ratios[i] = drawnMedian(r, b, new) / drawnMedian(r, a, old)
	}
	slices.Sort(ratios)
	const tail = resamples / 40 // 2.5 % on each side
	return ratios[tail], ratios[resamples-1-tail]
}

// drawnMedian is the median of a sample drawn from s with replacement, by way of
// scratch.
func drawnMedian(r *rand.Rand, scratch []float64, s Sample) float64 {
	for i := range scratch {
		scratch[i] = s.Values[r.IntN(len(s.Values))]
	}
	return median(scratch) * (1 + s.Spread*(2*r.Float64()-1))
}

// median is the middle of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
