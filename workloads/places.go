package workloads

import (
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/probes/place"
	"eventstreamcore/probes/topology"
)

// Pair is two CPUs to measure on, and how near they are to each other.
type Pair struct {
	Place     string // topology.Relation, as a word: same-L3
	Hot, Peer int    // of the measured thread, and of the second one
	Node      int    // whose memory events take: the hot CPU's, or -1 where there is but one
}

func newPair(t *topology.Topology, places map[int]topology.Place, hot, peer int) Pair {
	p := Pair{Place: placeName(topology.Self), Hot: hot, Peer: peer, Node: -1}
	if hot != peer {
		p.Place = placeName(places[hot].To(places[peer]))
	}
	if i := places[hot].Node; i >= 0 && len(t.MemoryNodes()) > 1 && t.MemoryNodes().Has(t.Nodes[i].ID) {
		p.Node = t.Nodes[i].ID
	}
	return p
}

func placeName(r topology.Relation) string { return strings.ReplaceAll(r.String(), " ", "-") }

// Pairs are the pair planned and, for each other relation that two of the
// allowed CPUs are in, one that shares the planned pair's hot CPU if it can.
func Pairs(t *topology.Topology, allowed []int, hot, peer int) []Pair {
	places := t.Places()
	pairs := []Pair{newPair(t, places, hot, peer)}
	for _, a := range append([]int{hot}, allowed...) {
		for _, b := range allowed {
			p := newPair(t, places, a, b)
			known := slices.ContainsFunc(pairs, func(q Pair) bool { return q.Place == p.Place })
			if a != b && !known {
				pairs = append(pairs, p)
			}
		}
	}
	return pairs
}

// Planned is the pair of a plan: the thread that takes events in, and the
// generator's.
func Planned(t *topology.Topology, allowed []int, p place.Plan) (hot, peer int, err error) {
	for _, r := range []struct {
		role place.Role
		cpu  *int
	}{{place.Ingest, &hot}, {place.Generator, &peer}} {
		thread, ok := p.Of(r.role)
		if !ok {
			return 0, 0, fmt.Errorf("the plan has no %s: make it by esc plan --json with the roles %s and %s", r.role, place.Ingest, place.Generator)
		}
		if !slices.Contains(allowed, thread.CPU) {
			return 0, 0, fmt.Errorf("the plan has %s on CPU %d: this process may use %v", r.role, thread.CPU, topology.List(allowed))
		}
		*r.cpu = thread.CPU
	}
	return hot, peer, nil
}

// placed is the cell on every pair that it is to be measured on. One thread has
// the hot CPU to itself; two have the planned pair, which is left out of the
// name, and with Across, or where places are set, each other one too. What is
// judged is judged as planned.
func (b *Bench) placed(c Cell) (cells []Cell) {
	if c.Threads == 1 {
		self := placeName(topology.Self)
		return []Cell{c.with("place", self, self)}
	}
	for i, p := range b.Pairs {
		if i > 0 && !c.Across && b.Set["place"] == nil {
			break
		}
		placed := c.with("place", p.Place, b.Pairs[0].Place)
		placed.pair = p
		if i > 0 {
			placed.Targets = nil
		}
		cells = append(cells, placed)
	}
	return cells
}

// crew is n CPUs to spin on: the hot one, the peer, then whichever are left.
func (b *Bench) crew(n int) []int {
	cpus := []int{b.Hot, b.Peer}
	for _, c := range b.Allowed {
		if !slices.Contains(cpus, c) {
			cpus = append(cpus, c)
		}
	}
	return cpus[:min(n, len(cpus))]
}
