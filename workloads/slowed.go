package workloads

import (
	"math"
	"slices"
	"time"

	"eventstreamcore/engine/cpu"
)

// SlowedBy is the unit, among what is noted of a trial, of the share by which its
// operations were slowed down on purpose.
const SlowedBy = "slowed-by-share"

const (
	slowedEvery   = 50 * time.Microsecond  // of operations between two pieces of work: each costs the next ones their place in the branch predictor
	slowedSample  = 500 * time.Microsecond // of the operations that show what is a share of them
	slowedSamples = 40                     // of which the lower quartile counts, for what disturbs only adds
	slowedChain   = 1 << 12                // links that show what one costs
)

// slowed is run with work among its operations that takes the share Slowdown of
// what they take by themselves: a chain of additions after every few of them, for
// a share of a single one is less than the least instruction. It must be called
// on the thread that is measured.
func (b *Bench) slowed(run loop) loop {
	if b.Slowdown <= 0 {
		return run
	}
	operation, link := b.operationNs(run), b.linkNs()
	every := max(int(float64(slowedEvery.Nanoseconds())/operation), 1)
	links := uint64(math.Round(b.Slowdown * operation * float64(every) / link))
	return func(n int) (succeeded int) {
		for n > 0 {
			part := min(n, every)
			succeeded += run(part)
			if n -= part; part == every {
				cpu.AddChain(links)
			}
		}
		return succeeded
	}
}

// operationNs is what an operation takes by itself, less the empty loop's share
// of it, as every figure here.
func (b *Bench) operationNs(run loop) float64 {
	n := 1
	for took := int64(0); took < slowedSample.Nanoseconds(); n *= 2 {
		began := cpu.Now()
		run(n)
		took = b.Clock.Ns(cpu.End() - began)
	}
	var costs []float64
	for range slowedSamples {
		began := cpu.Now()
		run(n)
		took := cpu.End() - began
		costs = append(costs, float64(b.Clock.Ns(took)-b.emptyLoop(n))/float64(n))
	}
	slices.Sort(costs)
	return max(costs[len(costs)/4], math.SmallestNonzeroFloat64)
}

// linkNs is what one link of the chain takes, the least of many.
func (b *Bench) linkNs() float64 {
	least := math.Inf(1)
	for range slowedSamples {
		began := cpu.Now()
		cpu.AddChain(slowedChain)
		least = min(least, float64(b.Clock.Ns(cpu.End()-began))/slowedChain)
	}
	return least
}
