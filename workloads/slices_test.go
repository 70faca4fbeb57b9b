package workloads

import (
	"math"
	"testing"

	"eventstreamcore/engine/cpu"
)

// TestSlicesTellWhatWasTaken: of 100 slices of 10 us, 1,000 operations each, some
// lose time. What is a slice long or longer is left out, and its share told; what
// is shorter is not seen, and stays in both figures.
func TestSlicesTellWhatWasTaken(t *testing.T) {
	clock := cpu.NewClock(1e9)
	for _, c := range []struct {
		lost  cpu.Ticks // by every tenth slice
		calm  float64
		share float64
	}{{0, 10, 0}, {10_000, 10, 0.1}, {5_000_000, 10, 0.1}, {9_000, 10.9, 0}} {
		s := &slicesOf{each: 1000, whole: 100, ends: []cpu.Ticks{1 << 40}}
		for i := range 100 {
			end := s.ends[i] + 10_000
			if i%10 == 3 {
				end += c.lost
			}
			s.ends = append(s.ends, end)
		}
		s.ends = append(s.ends, s.ends[100]+77) // the rest, a shorter one
		if calm, share := s.undisturbed(clock); math.Abs(calm-c.calm) > 1e-9 || math.Abs(share-c.share) > 1e-9 {
			t.Errorf("slices that lose %d ns: undisturbed %v ns, %v disturbed; want %v and %v", c.lost, calm, share, c.calm, c.share)
		}
	}
	few := &slicesOf{each: 1, whole: 3, ends: []cpu.Ticks{0, 1, 2, 3}}
	if calm, _ := few.undisturbed(clock); calm != 0 {
		t.Errorf("three slices tell what is usual: %v", calm)
	}
}

// TestSlicesAreTheWholeLoop: every operation is performed once, in order, and
// figures of a real loop stand beside each other.
func TestSlicesAreTheWholeLoop(t *testing.T) {
	b := small(t)
	for _, n := range []int{1, 7, 1000, 12345} {
		s, calls, done := b.newSlices(n), 0, 0
		succeeded := s.run(cpu.Now(), n, func(k int) int { calls++; done += k; return k })
		if succeeded != n || done != n || calls != (n+s.each-1)/s.each || len(s.ends) != calls+1 || cap(s.ends) < calls+1 {
			t.Errorf("%d operations: %d performed in %d slices of %d, %d ends", n, done, calls, s.each, len(s.ends))
		}
	}
	sum := 0
	out := b.timeLoop("hot", 1<<16, 1, func(n int) int {
		for i := range n {
			sum += i ^ sum
		}
		return n
	})
	figures := map[string]float64{}
	for _, v := range out.Noise {
		figures[v.Unit] = v.Value
	}
	if out.Invalid != "" || figures["undisturbed-ns/op"] == 0 || figures["disturbed-share"] < 0 || figures["disturbed-share"] > 1 {
		t.Errorf("%v, sum %d", out.Noise, sum)
	}
}
