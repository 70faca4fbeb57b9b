package workloads

import (
	"math"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// A loop that is slowed does the same operations, however they are cut up.
func TestSlowedDoesTheSame(t *testing.T) {
	b := small(t)
	b.Slowdown = 0.1
	done := 0
	slowed := b.slowed(func(n int) int {
		for i := range n {
			done += i & 1 // something that takes time
		}
		done += n
		return n
	})
	for _, n := range []int{1, 100, 100_003} {
		if got := slowed(n); got != n {
			t.Errorf("%d of %d operations", got, n)
		}
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
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("timed: ESC_PROOFS=1 runs it")
	}
	const share, least, most = 0.25, 5, 25
	b := small(t)
	b.Time, b.Trials = 5*time.Millisecond, 5
	chosen, err := Select(b, regexp.MustCompile("^(spsc/mode=pair|parse/frame=v2|pool/op=acquire-return)"))
	if err != nil {
		t.Fatal(err)
	}
	figures := func() (values []float64) {
		rows, err := b.Measure(chosen, never)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			values = append(values, leastOf(r))
		}
		return values
	}
	turns, median := make([][]float64, len(chosen)), make([]float64, len(chosen))
	for turn := range most {
		b.Slowdown = 0
		plain := figures()
		b.Slowdown = share
		worst := 0.0
		for i, slow := range figures() {
			turns[i] = append(turns[i], slow/plain[i]-1)
			slices.Sort(turns[i])
			median[i] = turns[i][turn/2]
			worst = max(worst, math.Abs(median[i]-share))
		}
		if turn+1 >= least && worst < share/5 {
			t.Logf("slowed by %.3f in %d turns, wanted %v", median, turn+1, share)
			return
		}
	}
	t.Errorf("slowed by %.3f in the median of %d turns, wanted %v", median, most, share)
}

func leastOf(r record.Row) float64 {
	values := r.Values("ns/op")
	best := math.Inf(1)
	for _, v := range values {
		best = min(best, v)
	}
	return best
}
