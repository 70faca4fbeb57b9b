package probes

import (
	"fmt"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
)

// station is one thread's inbox in a relay, alone on its line.
type station struct {
	word atomic.Uint64
	_    cpu.Pad
}

// Relay times a token that goes round the CPUs given, in order, from one pinned
// thread's inbox to the next and from the last back to the first: nanoseconds
// a round. It is what a plan's path costs in hand-offs, to be held against the
// plan's prediction.
func Relay(clock cpu.Clock, cpus []int, budget time.Duration) (Floor, error) {
	if len(cpus) < 2 {
		return Floor{}, fmt.Errorf("relay over CPUs %v: %w", cpus, ErrOneCPU)
	}
	stations := make([]station, len(cpus))
	patience := clock.Ticks(int64(answerLimit))
	var samples []float64
	stalled := false
	err := together(cpus, func(i int) {
		if i > 0 {
			pass(&stations[i].word, &stations[(i+1)%len(cpus)].word, patience)
			return
		}
		token := uint64(0)
		samples = sampleUntil(clock, budget, func() float64 {
			began := cpu.Now()
			for range tripsPerSample {
				token++
				stations[1].word.Store(token)
				if stalled = stalled || !awaitWord(&stations[0].word, token, patience); stalled {
					return 0
				}
			}
			return float64(clock.Ns(cpu.End()-began)) / tripsPerSample
		})
		stations[1].word.Store(over)
	})
	if err == nil && stalled {
		err = fmt.Errorf("a thread did not pass the token on within %v: is its CPU running something else at a higher priority?", answerLimit)
	}
	if err != nil {
		return Floor{}, fmt.Errorf("relay over CPUs %v: %w", cpus, err)
	}
	return newFloor("relay", fmt.Sprintf("a token round CPUs %v, %d rounds a sample", cpus, tripsPerSample), samples)
}

// pass hands each new token on, the end of the game too.
func pass(in, out *atomic.Uint64, patience cpu.Ticks) {
	for want := uint64(1); awaitWord(in, want, patience); want++ {
		out.Store(want)
	}
	out.Store(over)
}
