package engine

import "fmt"

// Slab is the memory of one way in, a pool of events, as it is found.
type Slab struct {
	Name  string
	Node  *int        // that the plan binds it to; nil is any
	Pages map[int]int // by NUMA node; -1 counts pages that nobody has touched yet
}

// Slabs reads back which NUMA node each page of events is on. An error means
// that this kernel does not say, or that this process may not ask.
func (e *Engine) Slabs() (slabs []Slab, err error) {
	for i, p := range e.gate.pools {
		pages, err := p.Nodes()
		if err != nil {
			return slabs, fmt.Errorf("pool %d: %w", i, err)
		}
		slabs = append(slabs, Slab{Name: fmt.Sprintf("pool %d", i), Node: e.cfg.Plan.Node, Pages: pages})
	}
	return slabs, nil
}

// node is the plan's as pools want it.
func (p Plan) node() int {
	if p.Node == nil {
		return -1
	}
	return *p.Node
}
