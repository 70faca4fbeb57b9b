package metrics

import (
	"math/bits"
	"sync/atomic"
)

// A histogram's buckets: exact below 2^subBits, then 2^(subBits-1) to the
// octave, so that a value is known to 1.6 %, up to 2^40 ns (18 minutes).
const (
	subBits = 7
	half    = 1 << (subBits - 1)
	maxBits = 40

	// Buckets is how many a histogram has: 18 KB of counts.
	Buckets = (maxBits-subBits)*half + 1<<subBits
)

// Histogram counts durations in nanoseconds. One goroutine records; any may
// take a Snapshot. Values beyond 2^40-1 ns are counted in the last bucket.
type Histogram struct {
	counts [Buckets]atomic.Uint64
	sum    Counter
	max    atomic.Int64
}

// bucketOf is the bucket of a value from 0 to 2^maxBits-1.
func bucketOf(ns uint64) int {
	shift := max(bits.Len64(ns), subBits) - subBits
	return shift*half + int(ns>>shift)
}

// Bounds are the smallest and the largest value, in ns, of bucket i.
func Bounds(i int) (low, high int64) {
	shift := max(i/half-1, 0)
	low = int64(i-shift*half) << shift
	return low, low + 1<<shift - 1
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(ns int64) { h.RecordN(ns, 1) }

// RecordN counts n events of one duration: a batch that came in together.
func (h *Histogram) RecordN(ns int64, n uint64) {
	ns = min(max(ns, 0), 1<<maxBits-1)
	c := &h.counts[bucketOf(uint64(ns))]
	c.Store(c.Load() + n)
	h.sum.Add(uint64(ns) * n)
	if ns > h.max.Load() {
		h.max.Store(ns)
	}
}

// Snapshot is a histogram's state at a moment. Recorded values may be missing
// from it only while they are being recorded.
type Snapshot struct {
	Counts [Buckets]uint64
	Count  uint64
	Sum    uint64 // ns
	Max    int64  // ns
}

// Snapshot copies the counts. It may be called from any goroutine.
func (h *Histogram) Snapshot() *Snapshot {
	s := &Snapshot{Sum: h.sum.Load(), Max: h.max.Load()}
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
		s.Count += s.Counts[i]
	}
	return s
}

// Add adds what another histogram recorded.
func (s *Snapshot) Add(other *Snapshot) {
	for i, n := range other.Counts {
		s.Counts[i] += n
	}
	s.Count += other.Count
	s.Sum += other.Sum
	s.Max = max(s.Max, other.Max)
}

// Quantile is the largest value, in ns, that the q-th part (0 to 1) of the
// recorded ones may have: never less than the true one, by 1.6 % at most more.
func (s *Snapshot) Quantile(q float64) int64 {
	if s.Count == 0 {
		return 0
	}
	rank := max(uint64(q*float64(s.Count)+0.5), 1)
	for i, n := range s.Counts {
		if n >= rank {
			_, high := Bounds(i)
			return min(high, s.Max)
		}
		rank -= n
	}
	return s.Max
}
