package probes

import (
	"errors"
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

// chain makes links one ring that a walk visits all of, in an order that no
// prefetcher follows: a full-period congruential generator over the next power
// of two, of which numbers beyond the last link are skipped.
func chain(links []link) {
	n := uint32(len(links))
	mask := uint32(1)<<bits.Len32(n-1) - 1
	at := uint32(0)
	for range links {
		next := at
		for first := true; first || next >= n; first = false {
			next = (next*2_891_336_453 + 1_640_531_527) & mask // full period: multiplier 1 mod 4, increment odd
		}
		links[at].next = next
		at = next
	}
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
	links, at := make([]link, 64), uint32(0)
	chain(links)
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
// over a working set of so many bytes, on CPU on, in memory of that CPU's node.
// Each load takes another cache line; past the TLB's reach its misses are
// included, with pages of whatever size the kernel gives. Building the chain
// takes longer than the budget where the working set is large: about 50 ms a
// 100 MiB.
func RandomAccess(clock cpu.Clock, on, workingSet int, budget time.Duration) (Floor, error) {
	return randomAccess(clock, on, anyNode, workingSet, budget)
}

func randomAccess(clock cpu.Clock, on, node, workingSet int, budget time.Duration) (Floor, error) {
	if n := workingSet / cpu.CacheLine; n < 2 || n > 1<<31 {
		return Floor{}, fmt.Errorf("random access over %d bytes: the working set is from 128 B to 128 GiB", workingSet)
	}
	var samples []float64
	var memoryErr error
	err := pinned(on, func() {
		var p *pages
		if p, memoryErr = newPages(workingSet, node); memoryErr != nil {
			return
		}
		defer func() { memoryErr = p.release() }()
		links, at := p.links(), uint32(0)
		chain(links)
		samples = amortise(clock, budget, func(n int) { at = walk(links, at, n) })
	})
	if err = errors.Join(err, memoryErr); err != nil {
		return Floor{}, err
	}
	return newFloor("random_access", fmt.Sprintf("dependent loads over %d bytes on CPU %d%s", workingSet, on, onNode(node)), samples)
}

func onNode(node int) string {
	if node == anyNode {
		return ""
	}
	return fmt.Sprintf(", memory of node %d", node)
}
