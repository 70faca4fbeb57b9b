package workloads

import (
	"slices"
	"time"

	"eventstreamcore/engine/cpu"
)

// slicesOf is a loop's time by slices of as many operations: the loop's own
// witness of what was taken from it. A slice of a loop that does the same again
// and again takes its usual time, and one that takes twice that, or more, was
// disturbed. What is shorter than a slice goes unseen.
type slicesOf struct {
	each  int         // operations
	whole int         // slices of so many; a shorter one at the end is not judged
	ends  []cpu.Ticks // of all slices, from when the first began
}

// sliceFor is about how long a slice is: what a host takes at once is as long, and
// reading the counter as often is a thousandth of it.
const sliceFor = 20 * time.Microsecond

// disturbedTimes the usual is a slice that was disturbed.
const disturbedTimes = 2

// newSlices divides n operations that take about a trial's time.
func (b *Bench) newSlices(n int) *slicesOf {
	each := max(int(float64(n)*float64(sliceFor)/float64(b.Time)), 1)
	s := &slicesOf{each: each, whole: n / each, ends: make([]cpu.Ticks, n/each+2)}
	clear(s.ends) // touches every page now rather than in the run
	return s
}

// run performs n operations, slice by slice.
func (s *slicesOf) run(began cpu.Ticks, n int, run loop) (succeeded int) {
	s.ends = append(s.ends[:0], began)
	for n > 0 {
		part := min(n, s.each)
		succeeded += run(part)
		s.ends = append(s.ends, cpu.Now())
		n -= part
	}
	return succeeded
}

// undisturbed is the mean of an operation, in ns, over the slices that were not
// disturbed, and the share of those that were. 0 is that there are too few slices
// to tell what is usual.
func (s *slicesOf) undisturbed(clock cpu.Clock) (ns, disturbed float64) {
	if s.whole < slicesLeast || len(s.ends) <= s.whole {
		return 0, 0
	}
	took := make([]cpu.Ticks, s.whole)
	for i := range took {
		took[i] = s.ends[i+1] - s.ends[i]
	}
	slices.Sort(took)
	usual := took[len(took)/2]
	calm, sum := 0, cpu.Ticks(0)
	for ; calm < len(took) && took[calm] < disturbedTimes*usual; calm++ {
		sum += took[calm]
	}
	return float64(clock.Ns(sum)) / float64(calm*s.each), 1 - float64(calm)/float64(len(took))
}

// slicesLeast is how many slices tell what is usual.
const slicesLeast = 10
