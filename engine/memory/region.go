package memory

import (
	"fmt"
	"unsafe"

	"eventstreamcore/engine/event"
)

// Region is memory outside the Go heap, for structures whose memory is the
// caller's to give, and for working sets that should not feed the collector.
type Region struct{ Bytes []byte }

// NewRegion takes size bytes, zeroed and touched; with node >= 0 they are bound to
// that NUMA node.
func NewRegion(size, node int) (*Region, error) {
	bytes, err := reserve(roundUp(size, pageSize))
	if err != nil {
		return nil, fmt.Errorf("taking %d bytes of memory: %w", size, err)
	}
	r := &Region{bytes[:size]}
	if node >= 0 {
		if err := Bind(bytes, node); err != nil {
			_ = release(bytes) // the first error says more
			return nil, fmt.Errorf("binding %d bytes to NUMA node %d (not among the allowed nodes?): %w", size, node, err)
		}
	}
	clear(r.Bytes)
	return r, nil
}

// Refs is the region as slots of a queue.
func (r *Region) Refs() []event.Ref {
	return unsafe.Slice((*event.Ref)(unsafe.Pointer(unsafe.SliceData(r.Bytes))), len(r.Bytes)/8)
}

// Words is the region as words of a dedup table.
func (r *Region) Words() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(r.Bytes))), len(r.Bytes)/8)
}

// Nodes counts the region's pages by the NUMA node they are found on.
func (r *Region) Nodes() (map[int]int, error) { return Nodes(r.Bytes) }

// Close gives the memory back.
func (r *Region) Close() error { return release(r.Bytes[:cap(r.Bytes)]) }
