package reports

import (
	"fmt"
	"math"

	"eventstreamcore/reports/record"
)

// Means of a whole and of its parts agree to what histograms of three digits
// resolve, and each part that took less than 1 ns counts as 1.
const (
	partsDigits = 0.002
	partsLeast  = 1 // ns
)

// partsOf holds what a row says of the parts of its way against the whole: the
// legs, the parts of the two legs that have any, and the single events. Records
// from before there were parts have nothing to be held.
func partsOf(row record.Row) (wrong []string) {
	sums, counts := map[string]float64{}, map[string]int{}
	whole, ok := stampedWhole(row)
	if !ok && len(row.Distributions) > 0 {
		whole = row.Distributions[0]
	}
	for _, d := range row.Distributions {
		if d.Part == "" {
			continue
		}
		sums[d.Part] += d.Mean
		counts[d.Part]++
		if d.Count != whole.Count {
			wrong = append(wrong, fmt.Sprintf("%s: %s is of %d events and the whole of %d", row.Name(), d.Name, d.Count, whole.Count))
		}
	}
	for part, sum := range sums {
		name, mean := partOf(row, whole.Name, part)
		if slack := math.Max(partsDigits*mean, float64(counts[part]*partsLeast)); math.Abs(sum-mean) > slack {
			wrong = append(wrong, fmt.Sprintf("%s: the parts of %s take %.0f ns in the mean and it takes %.0f", row.Name(), name, sum, mean))
		}
	}
	for _, w := range row.Waterfalls {
		if w.Whole != 0 && w.Whole != w.Ns() {
			wrong = append(wrong, fmt.Sprintf("%s: the spans of the %s event sum to %d ns and it took %d", row.Name(), w.Name, w.Ns(), w.Whole))
		}
	}
	return wrong
}

// partOf is what the distributions of a part are the parts of, and its mean.
func partOf(row record.Row, whole, part string) (name string, mean float64) {
	name = map[string]string{record.Leg: whole, record.Wait: record.QueueWaits, record.Work: record.ServiceTimes}[part]
	for _, d := range row.Distributions {
		if d.Name == name {
			mean = d.Mean
		}
	}
	return name, mean
}
