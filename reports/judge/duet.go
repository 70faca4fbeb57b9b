package judge

import (
	"fmt"
	"math"
	"slices"

	"eventstreamcore/reports/record"
)

// DuetPairs is how many pairs of processes compare two builds unless asked
// otherwise. Of twenty the least p-value is 2 in a million, so that Holm's method
// has room for many rows although a pair or two have bad luck.
const DuetPairs = 20

// inTurns are the logarithms of new over old, one for each pair of processes that
// took turns: the median over their trials, each beside the one that came next to
// it. A minute in which the host is slow is in both of them; what is left is the
// builds, and what luck each process had with its memory.
func inTurns(old, new Sample) (ratios []float64) {
	for pair := range min(len(old.Processes), len(new.Processes)) {
		a, b := old.Processes[pair], new.Processes[pair]
		var own []float64
		for i := range min(len(a), len(b)) {
			if unresolved([]float64{a[i], b[i]}) == 0 {
				own = append(own, math.Log(b[i]/a[i]))
			}
		}
		if len(own) > 0 {
			ratios = append(ratios, median(own))
		}
	}
	return ratios
}

// paired is the change that ratios, logarithms of new over old, come to: tested by
// Wilcoxon's signed ranks, its size the estimate of Hodges and Lehmann that belongs
// to them, with their interval.
func paired(cell Cell, ratios []float64) record.Change {
	c := record.Change{Row: cell.Row, Unit: cell.Unit, Pairs: len(ratios), P: signedRank(ratios)}
	center, low, high := hodgesLehmann(ratios)
	c.Ratio, c.RatioLow, c.RatioHi = math.Exp(center), math.Exp(low), math.Exp(high)
	if c.Pairs < TrialsMin {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d pairs of processes: %d are needed for an interval", c.Pairs, TrialsMin))
	}
	return c
}

// duet is the change of a row in a unit that both sides measured in turns; false
// where they did not.
func duet(old, new Sample) (record.Change, bool) {
	ratios := inTurns(old, new)
	if len(ratios) == 0 {
		return record.Change{}, false
	}
	c := paired(Cell{old.Row, old.Unit}, ratios)
	c.Old, c.New = center(old.Values), center(new.Values)
	return c, true
}

// exactRanks is up to how many pairs the distribution of signed ranks is counted
// out. Beyond, the normal distribution is as good.
const exactRanks = 100

// signedRank is the two-sided p-value of Wilcoxon's test that values lie about zero
// (Wilcoxon, "Individual comparisons by ranking methods", 1945). Zeros say nothing and
// are left out; equal sizes share their ranks, and the distribution is that of the
// ranks as they are shared.
func signedRank(values []float64) float64 {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v == 0 })
	if len(values) == 0 {
		return 1
	}
	ranks, total, above := doubledRanks(values), 0, 0
	for i, r := range ranks {
		if total += r; values[i] > 0 {
			above += r
		}
	}
	least := min(above, total-above)
	if len(values) > exactRanks {
		return normalRanks(ranks, total, least)
	}
	return min(1, 2*atMost(ranks, total, least))
}

// doubledRanks are twice the ranks of values by size: whole where two share one.
func doubledRanks(values []float64) []int {
	sizes := make([]float64, len(values))
	for i, v := range values {
		sizes[i] = math.Abs(v)
	}
	slices.Sort(sizes)
	ranks := make([]int, len(values))
	for i, v := range values {
		first, _ := slices.BinarySearch(sizes, math.Abs(v))
		last := first
		for last < len(sizes) && sizes[last] == sizes[first] {
			last++
		}
		ranks[i] = first + 1 + last
	}
	return ranks
}

// atMost is the share of all ways to give ranks a sign of which the positive ones
// sum to most or less.
func atMost(ranks []int, total, most int) (share float64) {
	for _, w := range signed(ranks, total)[:most+1] {
		share += w
	}
	return share
}

// signed is the share of all ways to give ranks a sign, by what the positive ones
// sum to.
func signed(ranks []int, total int) []float64 {
	ways := make([]float64, total+1)
	ways[0] = 1
	reached := 0
	for _, r := range ranks {
		reached += r
		for sum := reached; sum >= r; sum-- {
			ways[sum] = (ways[sum] + ways[sum-r]) / 2
		}
		for sum := range r {
			ways[sum] /= 2
		}
	}
	return ways
}

// normalRanks is the p-value by the normal distribution, with the correction for
// sums that step by whole ranks.
func normalRanks(ranks []int, total, least int) float64 {
	variance := 0.0
	for _, r := range ranks {
		variance += float64(r) * float64(r) / 4
	}
	z := (float64(total)/2 - float64(least) - 1) / math.Sqrt(variance)
	return min(1, math.Erfc(z/math.Sqrt2))
}

// hodgesLehmann is the median of all means of two of values, each with itself too,
// and the 95 % interval that the signed ranks leave (Hodges and Lehmann, "Estimates
// of location based on rank tests", 1963). With fewer than TrialsMin values it is
// from the least to the greatest.
func hodgesLehmann(values []float64) (center, low, high float64) {
	means := make([]float64, 0, len(values)*(len(values)+1)/2)
	for i, v := range values {
		for _, w := range values[i:] {
			means = append(means, (v+w)/2)
		}
	}
	center = median(means) // which sorts them
	cut := tailRanks(len(values))
	return center, means[cut], means[len(means)-1-cut]
}

// tailRanks is how many of the means of n values lie beyond either end of the
// interval.
func tailRanks(n int) int {
	ranks, total, variance := make([]int, n), 0, 0.0
	for i := range ranks {
		ranks[i] = i + 1
		total += ranks[i]
		variance += float64(ranks[i]) * float64(ranks[i]) / 4
	}
	if n > exactRanks {
		return int(float64(total)/2 - math.Sqrt2*math.Erfinv(Confidence)*math.Sqrt(variance))
	}
	below := 0.0
	for sum, w := range signed(ranks, total) {
		if below += w; below > (1-Confidence)/2 {
			return max(sum-1, 0)
		}
	}
	return 0
}
