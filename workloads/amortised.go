package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/reports/record"
)

// loop performs n operations and returns how many of them succeeded. What makes
// one is kept from being inlined: in a copy of the closure the compiler no longer
// inlines the operation, and its call would be what is measured.
type loop func(n int) (succeeded int)

// amortised times a loop of cheap operations as a whole, on the hot CPU: the
// loop's time less that of an empty loop of the same length, over n. An
// operation that takes less than five clock reads is never timed by itself.
// items is how many items one operation handles: figures are per item.
func amortised(b *Bench, items int, run loop, more func(ns float64) []record.Value) Trial {
	n := 0
	return Trial{
		Close: nothing, Still: true,
		Run: func() (out Outcome, err error) {
			err = b.pinned(b.Hot, func() {
				if n == 0 {
					run = b.slowed(run)
					n = b.scale(run)
				}
				if b.inTurns {
					run(max(n/warmShare, 1))
				}
				out = b.timeLoop("hot", n, items, run)
			})
			if b.Slowdown > 0 {
				out.Noise = append(out.Noise, value(SlowedBy, b.Slowdown))
			}
			if err == nil && out.Invalid == "" && more != nil {
				out.Values = append(out.Values, more(out.Values[0].Value)...)
			}
			return out, err
		},
	}
}

// warmShare is which part of a trial's operations come before it where others had
// the CPU since the last: they bring back the caches and the branch predictor, and
// outlast what a thread that was just woken takes to find its pace.
const warmShare = 8

// scale finds how many operations take about the time of a trial.
func (b *Bench) scale(run loop) int {
	for n := 64; ; n *= 2 {
		began := cpu.Now()
		run(n)
		took := time.Duration(b.Clock.Ns(cpu.End() - began))
		if took > b.Time/8 || n > 1<<40 {
			return max(int(float64(n)*float64(b.Time)/float64(took)), 1)
		}
	}
}

// timeLoop times n operations on the calling thread, and counts what its
// counters count meanwhile.
func (b *Bench) timeLoop(role string, n, items int, run loop) Outcome {
	empty, succeeded := b.emptyLoop(n+b.extra(n)), 0
	slices := b.newSlices(n)
	var took cpu.Ticks
	b.counting.around(role, func() {
		began := cpu.Now()
		succeeded = slices.run(began, n, run)
		took = cpu.End() - began
	})
	out := Outcome{Trial: record.Trial{N: int64(succeeded) * int64(items)}}
	if succeeded != n {
		out.Invalid = fmt.Sprintf("%d of %d operations did not succeed", n-succeeded, n)
		return out
	}
	ns := float64(b.Clock.Ns(took)-empty) / float64(n*items)
	out.Values = []record.Value{value("ns/op", ns)}
	out.Noise = []record.Value{value("empty-loop-ns", float64(empty)/float64(n))}
	if calm, share := slices.undisturbed(b.Clock); calm > 0 {
		out.Noise = append(out.Noise, value(record.UndisturbedOp, (calm-float64(empty)/float64(n))/float64(items)), value(record.DisturbedShare, share))
	}
	return out
}

// emptyLoopCap bounds the time spent on the empty loop: its iterations are
// alike, so that a part of them tells the whole.
const emptyLoopCap = 1 << 22

// emptyLoop is the time in ns of n iterations that do nothing: the least of a
// few, for an interruption would be subtracted from the operation.
func (b *Bench) emptyLoop(n int) int64 {
	part := min(n, emptyLoopCap)
	least := int64(1<<63 - 1)
	for range 3 {
		began := cpu.Now()
		spin(part)
		least = min(least, b.Clock.Ns(cpu.End()-began))
	}
	return int64(float64(least) * float64(n) / float64(part))
}

//go:noinline
func spin(n int) {
	for range n {
	}
}

// nothing is what there is to close of a trial that took only memory.
func nothing() error { return nil }
