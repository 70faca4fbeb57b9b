package probes

import (
	"fmt"
	"math/bits"
	"time"

	"eventstreamcore/engine/cpu"
)

// Memcpy times a hot copy of so many bytes on CPU on: one source and one
// target, both in the nearest cache that holds them. The loop is included.
func Memcpy(clock cpu.Clock, on, bytes int, budget time.Duration) (Floor, error) {
	if bytes < 1 {
		return Floor{}, fmt.Errorf("memcpy of %d bytes: at least 1 is needed", bytes)
	}
	from, to := make([]byte, bytes), make([]byte, bytes)
	var samples []float64
	err := pinned(on, func() {
		samples = amortise(clock, budget, func(n int) {
			for range n {
				copy(to, from)
			}
		})
	})
	if err != nil {
		return Floor{}, err
	}
	return newFloor("memcpy", fmt.Sprintf("hot copy of %d bytes on CPU %d", bytes, on), samples)
}

// link is one cache line of a chain in random order.
type link struct {
	next uint32 // index of the next link
	seen uint32
	_    [cpu.CacheLine - 8]byte
}

// chain is n links that one walk visits all, in an order that no prefetcher
// follows: a full-period congruential generator over the next power of two,
// of which numbers from n on are skipped.
func chain(n int) []link {
	links := make([]link, n)
	mask := uint32(1)<<bits.Len32(uint32(n-1)) - 1
	at := uint32(0)
	for range n {
		next := at
		for first := true; first || next >= uint32(n); first = false {
			next = (next*2_891_336_453 + 1_640_531_527) & mask // full period: multiplier 1 mod 4, increment odd
		}
		links[at].next = next
		at = next
	}
	return links
}

// walk follows n links from at and returns where it stands: each load needs the
// one before.
func walk(links []link, at uint32, n int) uint32 {
	for range n {
		at = links[at].next
	}
	return at
}

// LoadStore times one load that needs the load before it, and one store to the
// line it found, in 4 KiB of L1, on CPU on: the least that taking a slot from a
// free list and putting it back can cost.
func LoadStore(clock cpu.Clock, on int, budget time.Duration) (Floor, error) {
	links, at := chain(64), uint32(0)
	var samples []float64
	err := pinned(on, func() {
		samples = amortise(clock, budget, func(n int) {
			for range n {
				l := &links[at]
				at = l.next
				l.seen = at
			}
		})
	})
	if err != nil {
		return Floor{}, err
	}
	return newFloor("load_store", fmt.Sprintf("dependent load and store in 4 KiB on CPU %d", on), samples)
}

// RandomAccess times one load that needs the load before it, in random order
// over a working set of so many bytes, on CPU on. Each load takes another cache
// line; past the TLB's reach its misses are included. Building the chain takes
// longer than the budget where the working set is large: about 50 ms a 100 MiB.
func RandomAccess(clock cpu.Clock, on, workingSet int, budget time.Duration) (Floor, error) {
	n := workingSet / cpu.CacheLine
	if n < 2 || n > 1<<31 {
		return Floor{}, fmt.Errorf("random access over %d bytes: the working set is from 128 B to 128 GiB", workingSet)
	}
	var samples []float64
	err := pinned(on, func() {
		links, at := chain(n), uint32(0) // on this CPU, so that its node gives the pages
		samples = amortise(clock, budget, func(n int) { at = walk(links, at, n) })
	})
	if err != nil {
		return Floor{}, err
	}
	return newFloor("random_access", fmt.Sprintf("dependent loads over %d bytes on CPU %d", workingSet, on), samples)
}
