package process

import "math/bits"

// A gap's buckets: eight to the octave, so that a percentile is known to 12.5 %,
// up to 2^42 ns, which is longer than a window.
const (
	gapBits    = 3
	gapBuckets = (42 - gapBits + 1) << gapBits
)

// gaps are the times between events: a histogram small enough to have one for
// each of thousands of topics.
type gaps struct {
	counts        [gapBuckets]uint32
	count         uint64
	min, max, sum int64 // ns
}

func (g *gaps) add(ns int64) {
	if g.count == 0 || ns < g.min {
		g.min = ns
	}
	g.max = max(g.max, ns)
	g.sum += ns
	g.count++
	g.counts[gapBucket(ns)]++
}

// gapBucket is exact below 2^gapBits.
func gapBucket(ns int64) int {
	n := uint64(min(ns, 1<<42-1))
	shift := max(bits.Len64(n), gapBits+1) - gapBits - 1
	return shift<<gapBits + int(n>>shift)
}

// gapMost is the largest value of a bucket, in ns.
func gapMost(bucket int) int64 {
	shift := max(bucket>>gapBits-1, 0)
	return int64(bucket-shift<<gapBits+1)<<shift - 1
}

// quantile is the largest value that the q-th part may have, in ns.
func (g *gaps) quantile(q float64) int64 {
	rank := max(uint64(q*float64(g.count)+0.5), 1)
	for i, n := range g.counts {
		if uint64(n) >= rank {
			return min(gapMost(i), g.max)
		}
		rank -= uint64(n)
	}
	return g.max
}
