package probes

import (
	"errors"
	"fmt"
	"unsafe"

	"eventstreamcore/engine/memory"
)

// anyNode lets the kernel choose: the node of whoever touches a page first.
const anyNode = -1

// pages is memory outside the Go heap, so that a large working set neither
// feeds nor wakes the collector.
type pages struct {
	bytes   []byte
	release func() error
}

// newPages takes n bytes, zeroed and touched. On a node other than anyNode every
// page is bound to it and read back; a page elsewhere is an error.
func newPages(n, node int) (*pages, error) {
	r, err := memory.NewRegion(n, node)
	if err != nil {
		return nil, err
	}
	p := &pages{bytes: r.Bytes, release: r.Close}
	if node != anyNode {
		if err := verifyNode(r.Bytes, node); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return p, nil
}

// verifyNode reads back where the pages are.
func verifyNode(bytes []byte, node int) error {
	found, err := memory.Nodes(bytes)
	if err != nil {
		return fmt.Errorf("reading back the node of %d bytes: %w", len(bytes), err)
	}
	if len(found) != 1 || found[node] == 0 {
		return fmt.Errorf("pages bound to node %d are found on (node: pages) %v", node, found)
	}
	return nil
}

// links is the memory as cache lines to be chained.
func (p *pages) links() []link {
	return unsafe.Slice((*link)(unsafe.Pointer(unsafe.SliceData(p.bytes))), len(p.bytes)/int(unsafe.Sizeof(link{})))
}

// line is the memory's beginning as a word alone on its line.
func (p *pages) line() *line { return (*line)(unsafe.Pointer(unsafe.SliceData(p.bytes))) }
