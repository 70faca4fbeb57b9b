package probes

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

// Rate is a bandwidth in bytes a second: the median and its 95 % interval.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	N         int     `json:"n"`
}

// CurvePoint is what memory costs at one working-set size.
type CurvePoint struct {
	Bytes   int   `json:"bytes"`
	Latency Floor `json:"latency"` // one dependent load in random order
	Read    Rate  `json:"read"`    // vector loads: the runtime's search for a byte that is not there
	Write   Rate  `json:"write"`   // vector stores: the runtime's clearing of memory
	Copy    Rate  `json:"copy"`    // both; half of the working set is copied to the other
}

// Curve is memory seen from one CPU against one node: the cache curve.
type Curve struct {
	CPU    int          `json:"cpu"`
	Node   *int         `json:"node"` // nil where there are no nodes: the CPU's own memory
	Points []CurvePoint `json:"points"`
}

const (
	curveLeast     = 4 << 10
	curveMost      = 256 << 20 // what the largest last-level caches in use need to be left behind
	pointBudgetMin = 4 * time.Millisecond
)

// CurveSizes are the working sets to measure for caches of so many bytes: two
// to each doubling from 4 KiB to four times the largest cache, at most 256 MiB.
func CurveSizes(largestCache int64) (sizes []int) {
	last := min(max(4*largestCache, 16<<20), curveMost)
	for size := int64(curveLeast); size <= last; size *= 2 {
		sizes = append(sizes, int(size))
		if size*3/2 <= last {
			sizes = append(sizes, int(size*3/2))
		}
	}
	return sizes
}

// MeasureCurve measures every size from CPU on against the memory of a node, or
// of its own where node is nil. A tenth of a size's share of the budget goes to
// each bandwidth, the rest to the latency.
func MeasureCurve(clock cpu.Clock, on int, node *int, sizes []int, budget time.Duration) (Curve, error) {
	c := Curve{CPU: on, Node: node}
	home := anyNode
	if node != nil {
		home = *node
	}
	each := max(budget/time.Duration(max(len(sizes), 1)), pointBudgetMin)
	for _, size := range sizes {
		p, err := measurePoint(clock, on, home, size, each)
		if err != nil {
			return c, fmt.Errorf("memory curve at %d bytes: %w", size, err)
		}
		c.Points = append(c.Points, p)
	}
	return c, nil
}

func measurePoint(clock cpu.Clock, on, node, size int, budget time.Duration) (p CurvePoint, err error) {
	p.Bytes = size
	if p.Latency, err = randomAccess(clock, on, node, size, budget*7/10); err != nil {
		return p, err
	}
	var memoryErr error
	err = pinned(on, func() {
		var memory *pages
		if memory, memoryErr = newPages(size, node); memoryErr != nil {
			return
		}
		defer func() { memoryErr = errors.Join(memoryErr, memory.release()) }()
		all, half := memory.bytes, size/2
		rate := func(bytes int, op func()) (r Rate) {
			samples := amortise(clock, budget/10, func(n int) {
				for range n {
					op()
				}
			})
			r, e := newRate(bytes, samples)
			memoryErr = errors.Join(memoryErr, e)
			return r
		}
		p.Read = rate(size, func() { bytes.IndexByte(all, 1) })
		p.Write = rate(size, func() { clear(all) })
		p.Copy = rate(half, func() { copy(all[half:], all[:half]) })
	})
	return p, errors.Join(err, memoryErr)
}

// newRate turns nanoseconds a pass over so many bytes into bytes a second.
func newRate(bytes int, passNs []float64) (Rate, error) {
	f, err := newFloor("bandwidth", "", passNs)
	if err != nil {
		return Rate{}, err
	}
	second := float64(bytes) * 1e9
	return Rate{PerSecond: second / f.Ns, Low: second / f.High, High: second / f.Low, N: f.N}, nil
}

// View is one CPU and one node to measure a curve for.
type View struct {
	CPU  int
	Node *int
	Full bool // all sizes; otherwise only the largest, beyond every cache
}

// Views are one CPU of each last-level cache among those given (of each node,
// where there is no such cache), against each node: its own node in full, the
// others beyond the caches, where alone the node matters.
func Views(t *topology.Topology, cpus []int) (views []View) {
	places := t.Places()
	seen := map[[2]int]bool{}
	for _, c := range cpus {
		p := places[c]
		domain := [2]int{p.L3, -1}
		if p.L3 < 0 {
			domain[1] = p.Node
		}
		if seen[domain] {
			continue
		}
		seen[domain] = true
		memory := t.MemoryNodes()
		if len(memory) == 0 {
			views = append(views, View{CPU: c, Full: true})
		}
		own := p.Node >= 0 && memory.Has(t.Nodes[max(p.Node, 0)].ID)
		for i := range memory {
			isOwn := own && t.Nodes[p.Node].ID == memory[i]
			views = append(views, View{CPU: c, Node: &memory[i], Full: isOwn || !own && i == 0})
		}
	}
	return views
}
