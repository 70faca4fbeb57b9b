package probes

import (
	"fmt"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
)

// counterLine is a word that everybody writes, alone on its line.
type counterLine struct {
	_     cpu.Pad
	word  atomic.Uint64
	plain uint64
	_     cpu.Pad
}

// atomicOps are the operations timed, n of each at a time. A typed atomic Store
// is an XCHG on amd64, for Go's atomics are sequentially consistent.
var atomicOps = []struct {
	name string
	op   func(c *counterLine, n int)
}{
	{"plain_store", func(c *counterLine, n int) {
		for i := range n {
			c.plain = uint64(i)
		}
	}},
	{"atomic_store", func(c *counterLine, n int) {
		for i := range n {
			c.word.Store(uint64(i))
		}
	}},
	{"atomic_swap", func(c *counterLine, n int) {
		for i := range n {
			c.word.Swap(uint64(i))
		}
	}},
	{"atomic_add", func(c *counterLine, n int) {
		for range n {
			c.word.Add(1)
		}
	}},
	{"atomic_cas", func(c *counterLine, n int) {
		for range n {
			old := c.word.Load()
			c.word.CompareAndSwap(old, old+1)
		}
	}},
}

// Atomics times each operation on CPU on alone; with a peer also while that
// CPU does the same to the same line: nanoseconds an operation, as CPU on sees
// it. A contended compare-and-swap counts whether it succeeds or not. Where the
// peer hardly ran there was no contention, and the operation is missing.
func Atomics(clock cpu.Clock, on int, peer *int, budget time.Duration) (floors []Floor, missing []string, err error) {
	share := budget / time.Duration(2*len(atomicOps))
	var steps []func() (Floor, error)
	for _, a := range atomicOps {
		steps = append(steps, func() (Floor, error) { return alone(clock, a.name, a.op, on, share) })
	}
	for _, a := range atomicOps[1:] { // a contended plain store is a race
		if peer == nil {
			steps = append(steps, func() (Floor, error) { return Floor{}, &refusedError{"contended atomics", oneCPU} })
			break
		}
		steps = append(steps, func() (Floor, error) { return contend(clock, a.name, a.op, on, *peer, share) })
	}
	return floorsOf(steps)
}

// alone times op on one CPU, to a line that no other has.
func alone(clock cpu.Clock, name string, op func(*counterLine, int), on int, budget time.Duration) (Floor, error) {
	c := new(counterLine)
	var samples []float64
	if err := pinned(on, func() { samples = amortise(clock, budget, func(n int) { op(c, n) }) }); err != nil {
		return Floor{}, err
	}
	return newFloor(name, fmt.Sprintf("alone on CPU %d", on), samples)
}

const (
	// contendedShare is how many operations the peer must make within a sample,
	// against ours, for the line to count as contended: a starved peer leaves it
	// to us.
	contendedShare = 0.1
	contendedOps   = 4096 // of ours in a sample: 10 us alone, 80 us contended
	peerOps        = 64   // of the peer's between two of its reports
)

// contend times op on one CPU while another does the same to the same line, and
// keeps the samples in which it did.
func contend(clock cpu.Clock, name string, op func(*counterLine, int), on, peer int, budget time.Duration) (Floor, error) {
	if on == peer {
		return Floor{}, fmt.Errorf("%s contended on CPU %d alone: %w", name, on, ErrOneCPU)
	}
	contested, theirs := new(counterLine), new(counterLine)
	var samples []float64
	taken := 0
	var stop atomic.Bool
	err := together([]int{on, peer}, func(i int) {
		if i == 1 {
			for !stop.Load() {
				op(contested, peerOps)
				theirs.word.Add(peerOps)
			}
			return
		}
		sampleUntil(clock, budget, func() float64 {
			before := theirs.word.Load()
			ns := timed(clock, contendedOps, func(n int) { op(contested, n) }) / contendedOps
			taken++
			if float64(theirs.word.Load()-before) >= contendedShare*contendedOps {
				samples = append(samples, ns)
			}
			return ns
		})
		stop.Store(true)
	})
	if err != nil {
		return Floor{}, err
	}
	if len(samples) < samplesMin {
		return Floor{}, &refusedError{name + "_contended", fmt.Sprintf("CPU %d was kept from running: it took part in %d of %d samples", peer, len(samples), taken)}
	}
	return newFloor(name+"_contended", fmt.Sprintf("CPU %d while CPU %d does the same to the same line, as it did in %d of %d samples", on, peer, len(samples), taken), samples)
}
