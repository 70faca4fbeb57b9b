package probes

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
)

// tripsPerSample is how many round trips one sample holds: 20 us at the 80 ns
// that neighbours need, so that few samples meet an interruption.
const tripsPerSample = 256

// answerLimit is how long one CPU may fail to answer before the measurement is
// given up: a stopped or starved peer, not a slow one.
const answerLimit = 2 * time.Second

// spinsPerLook is how many polls pass between two looks at the clock, so that
// looking does not slow the polling.
const spinsPerLook = 1 << 14

// line is the word that two CPUs throw to and fro, alone on its cache line.
type line struct {
	_    cpu.Pad
	word atomic.Uint64
	_    cpu.Pad
}

func (l *line) await(want uint64, patience cpu.Ticks) bool {
	return awaitWord(&l.word, want, patience)
}

// awaitWord polls until the word is want; it gives up when the game is over or
// the other side has been silent for patience.
func awaitWord(word *atomic.Uint64, want uint64, patience cpu.Ticks) bool {
	var deadline cpu.Ticks // set at the first look: most waits never look
	for spins := 1; ; spins++ {
		switch word.Load() {
		case want:
			return true
		case over:
			return false
		}
		if spins%spinsPerLook != 0 {
			continue
		}
		now := cpu.Now()
		if deadline == 0 {
			deadline = now + patience
		} else if now > deadline {
			return false
		}
	}
}

// LineTransfer times how long a cache line takes from one CPU to another: two
// pinned threads throw one word to and fro, each polling hard, and half the
// round trip is the one-way time, store included. It takes about budget.
func LineTransfer(clock cpu.Clock, a, b int, budget time.Duration) (oneWay Floor, err error) {
	return transfer(clock, a, b, anyNode, budget)
}

// lineTransferOn is LineTransfer of a line in the memory of the node given:
// bound there and read back. A line's home decides which node is asked for it.
func lineTransferOn(clock cpu.Clock, a, b, node int, budget time.Duration) (oneWay Floor, err error) {
	return transfer(clock, a, b, node, budget)
}

func transfer(clock cpu.Clock, a, b, node int, budget time.Duration) (oneWay Floor, err error) {
	if a == b {
		return Floor{}, fmt.Errorf("line transfer from CPU %d to itself: %w", a, ErrOneCPU)
	}
	memory, err := newPages(os.Getpagesize(), node)
	if err != nil {
		return Floor{}, fmt.Errorf("line transfer: %w", err)
	}
	samples, answered, err := rally(clock, memory.line(), a, b, budget)
	if err = errors.Join(err, memory.release()); err != nil {
		return Floor{}, err
	}
	if !answered {
		return Floor{}, fmt.Errorf("line transfer: CPU %d did not answer CPU %d within %v: is it running something else at a higher priority?", b, a, answerLimit)
	}
	how := fmt.Sprintf("half a round trip, CPU %d and %d, %d round trips a sample%s", a, b, tripsPerSample, onNode(node))
	return newFloor("line_transfer", how, samples)
}

// rally throws the word to and fro for the budget.
func rally(clock cpu.Clock, shared *line, a, b int, budget time.Duration) (samples []float64, answered bool, err error) {
	patience, trips := clock.Ticks(int64(answerLimit)), uint64(0)
	answered = true
	err = together([]int{a, b}, func(i int) {
		if i == 1 {
			echo(shared, patience)
			return
		}
		samples = sampleUntil(clock, budget, func() float64 {
			began := cpu.Now()
			answered = answered && throw(shared, &trips, patience)
			return float64(clock.Ns(cpu.End()-began)) / (2 * tripsPerSample)
		})
		shared.word.Store(over)
	})
	return samples, answered, err
}

// over ends the game.
const over = ^uint64(0)

// throw makes tripsPerSample round trips: odd words go out, even ones return.
func throw(l *line, trips *uint64, patience cpu.Ticks) bool {
	for range tripsPerSample {
		l.word.Store(*trips*2 + 1)
		if *trips++; !l.await(*trips*2, patience) {
			return false
		}
	}
	return true
}

// echo answers each odd word with the next even one.
func echo(l *line, patience cpu.Ticks) {
	for want := uint64(1); l.await(want, patience); want += 2 {
		l.word.Store(want + 1)
	}
}
