package workloads

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// A loop that is slowed says that it did what was asked, and does its share besides.
func TestSlowed(t *testing.T) {
	b, done := &Bench{Slowdown: 0.1}, 0
	slowed := b.slowed(func(n int) int {
		done += n
		return n
	})
	for _, n := range []int{1, 100, 100_003} {
		done = 0
		if got := slowed(n); got != n || done < n+n/10 || done > n+n/10+1 {
			t.Errorf("%d of %d operations counted, %d done", got, n, done)
		}
	}
	done = 0
	for range 100 {
		slowed(3)
	}
	if done < 329 || done > 330 {
		t.Errorf("slowed by a tenth, 300 are %d", done)
	}
	b.Slowdown = 0
	plain := func(n int) int { return n + 1 }
	if got := b.slowed(plain)(5); got != 6 {
		t.Errorf("not to be slowed: %d", got)
	}
}

// TestProofSlowdown measures operations slowed by a quarter beside plain ones, by
// turns, and wants a quarter of each in the median turn: the gate's power is only
// worth what its bait is.
func TestProofSlowdown(t *testing.T) {
	const share, turns = 0.25, 9
	prove(t, func(b *Bench) error {
		b.Time, b.Trials = 5*time.Millisecond, 5
		chosen, err := Select(b, regexp.MustCompile("^(spsc/mode=pair|parse/frame=v2|pool/op=acquire-return)"))
		if err != nil {
			return err
		}
		for i := range chosen {
			var slowed []float64
			for range turns {
				ratio, err := b.slowedBy(share, chosen[i:i+1])
				if err != nil {
					return err
				}
				slowed = append(slowed, ratio-1)
			}
			slices.Sort(slowed)
			t.Logf("%s: slowed by %.3f, wanted %v", chosen[i].Name, slowed, share)
			if math.Abs(slowed[turns/2]-share) > share/5 {
				return fmt.Errorf("%s: slowed by %.3f in the median turn, wanted %v", chosen[i].Name, slowed[turns/2], share)
			}
		}
		return nil
	})
}

// slowedBy is a cell's cost with the slowdown over its cost without, measured one
// after the other.
func (b *Bench) slowedBy(share float64, cell []Workload) (ratio float64, err error) {
	var ns [2]float64
	for i := range ns {
		b.Slowdown = share * float64(i)
		rows, err := b.Measure(cell, never)
		if err != nil {
			return 0, err
		}
		ns[i] = leastOf(rows[0])
	}
	return ns[1] / ns[0], nil
}

func leastOf(r record.Row) float64 {
	values := r.Values("ns/op")
	best := math.Inf(1)
	for _, v := range values {
		best = min(best, v)
	}
	return best
}
