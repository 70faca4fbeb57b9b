// Package queue holds the structures that threads meet at: a ring with one
// producer and one consumer, a ring with many producers and one consumer, and a
// table that tells which ids were seen before.
//
// It takes the position that waiting is somebody else's business. No method
// here blocks, sleeps, spins on a peer, allocates, or reads a clock: what cannot
// be done now is refused, and the caller, who knows whether it may drop, hold
// back or poll again, decides. Memory is the caller's too, so that it can be
// off-heap, on the right node and touched beforehand; it belongs to the
// structure from then on. None of the three may be copied after first use.
//
// All positions count up for ever and wrap at 2^64; only differences of them
// are compared.
package queue

import (
	"fmt"
	"math/bits"
)

// mustBePowerOfTwo panics unless n is one: a position is turned into an index
// by a mask.
func mustBePowerOfTwo(what string, n int) {
	if n <= 0 || n&(n-1) != 0 {
		panic(fmt.Sprintf("queue: %d %s: give a power of two, such as %d", n, what, uint64(1)<<bits.Len(uint(max(n-1, 0)))))
	}
}
