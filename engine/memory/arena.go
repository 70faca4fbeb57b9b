// Package memory holds the bytes of events: one arena outside the Go heap,
// carved into pools of fixed-size slots that nothing ever allocates again.
//
// It takes the position that exhaustion is backpressure: a pool that is empty
// says so, and never grows. Slots are off-heap, so the collector neither scans
// them nor waits for them; under the race detector they are heap memory, for it
// does not see synchronisation through mapped memory.
package memory

import (
	"fmt"
	"os"
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// Arena is one range of memory that every Ref is an offset into: following a
// Ref is one addition.
type Arena struct {
	base   unsafe.Pointer
	bytes  []byte
	carved int
}

// NewArena reserves size bytes, rounded up to a page, behind a page that stays
// empty, for Ref 0 is no event. Pages cost memory only once they are carved.
func NewArena(size int) (*Arena, error) {
	size = roundUp(size, pageSize) + pageSize
	if size <= pageSize || size/cpu.CacheLine > event.MaxLines {
		return nil, fmt.Errorf("arena of %d bytes: must be 1 to %d", size, event.MaxLines*cpu.CacheLine)
	}
	bytes, err := reserve(size)
	if err != nil {
		return nil, fmt.Errorf("arena of %d MiB (lower the pool counts, or raise the memory limit): %w", size>>20, err)
	}
	return &Arena{base: unsafe.Pointer(unsafe.SliceData(bytes)), bytes: bytes, carved: pageSize}, nil
}

// pageSize is the kernel's, for memory is bound to a node by the page: 4 KiB on
// x86, 4 to 64 KiB on Arm.
var pageSize = os.Getpagesize()

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// At is the header of the slot that r stands for.
func (a *Arena) At(r event.Ref) *event.Header {
	return (*event.Header)(unsafe.Add(a.base, uintptr(r.Line())*cpu.CacheLine))
}

// carve takes the next size bytes and touches them, so that no page faults in
// the hot path; with node >= 0 they are bound to that NUMA node first.
func (a *Arena) carve(size, node int) (firstLine uint32, err error) {
	size = roundUp(size, pageSize)
	if a.carved+size > len(a.bytes) {
		return 0, fmt.Errorf("arena has %d bytes left of %d, pool wants %d", len(a.bytes)-a.carved, len(a.bytes), size)
	}
	piece := a.bytes[a.carved : a.carved+size]
	if node >= 0 {
		if err := Bind(piece, node); err != nil {
			return 0, fmt.Errorf("binding %d MiB to NUMA node %d: %w: esc probe topology lists those with memory", size>>20, node, err)
		}
	}
	for i := 0; i < len(piece); i += pageSize {
		piece[i] = 0
	}
	firstLine = uint32(a.carved / cpu.CacheLine)
	a.carved += size
	return firstLine, nil
}

// Close gives the memory back. No Ref may be followed afterwards.
func (a *Arena) Close() error {
	bytes := a.bytes
	a.base, a.bytes = nil, nil
	return release(bytes)
}
