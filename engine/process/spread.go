package process

import "math"

// A spread's buckets: eight to the octave, as gaps have, from 2^-20 (a
// millionth) to 2^43 (some ten thousand billion) on either side of zero. What is
// nearer to zero counts as zero, what is further away as the furthest.
const (
	spreadBits    = 3
	spreadFrom    = -20
	spreadTo      = 43
	spreadBuckets = (spreadTo - spreadFrom) << spreadBits

	mantissaBits = 52
	spreadShift  = mantissaBits - spreadBits
	spreadBase   = (1023 + spreadFrom) << spreadBits // of an exponent and its first bits, in a float's
)

// spread is the distribution of numbers.
type spread struct {
	below, above [spreadBuckets]uint32 // zero
	zeros        uint64
	count        uint64
	missing      uint64 // events that had no number
	min, max     float64
	sum          float64
}

func (s *spread) add(v float64) {
	if s.count == 0 {
		s.min, s.max = v, v
	}
	s.min, s.max = min(s.min, v), max(s.max, v)
	s.sum += v
	s.count++
	switch i := spreadBucket(math.Abs(v)); {
	case i < 0:
		s.zeros++
	case v < 0:
		s.below[i]++
	default:
		s.above[i]++
	}
}

// spreadBucket is below 0 for what counts as zero.
func spreadBucket(size float64) int {
	return min(int(math.Float64bits(size)>>spreadShift)-spreadBase, spreadBuckets-1)
}

// spreadLeast is the number at which a bucket begins.
func spreadLeast(bucket int) float64 {
	return math.Float64frombits(uint64(bucket+spreadBase) << spreadShift)
}

// quantile is the largest value that the q-th part may have.
func (s *spread) quantile(q float64) float64 {
	rank := max(uint64(q*float64(s.count)+0.5), 1)
	for i := spreadBuckets - 1; i >= 0; i-- {
		if n := uint64(s.below[i]); n < rank {
			rank -= n
		} else {
			return min(max(-spreadLeast(i), s.min), s.max)
		}
	}
	if s.zeros >= rank {
		return min(max(0, s.min), s.max)
	}
	rank -= s.zeros
	for i, n := range s.above[:spreadBuckets-1] {
		if uint64(n) >= rank {
			return max(min(spreadLeast(i+1), s.max), s.min)
		}
		rank -= uint64(n)
	}
	return s.max // the last bucket has no end
}
