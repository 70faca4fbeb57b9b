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

// Follow has the bench run where a plan says: what is measured where it takes
// events in, on the memory that it gives that thread; the second thread where it
// has the generator; further ones on the CPUs of its other threads, in the order of
// the data's way; and the runtime's own on those that it keeps for them. What a plan
// says beside that, of hand-offs and why, is for its readers.
func (b *Bench) Follow(t *topology.Topology, p place.Plan) error {
	for _, thread := range p.Threads {
		if !slices.Contains(b.Allowed, thread.CPU) {
			return fmt.Errorf("the plan has %s on CPU %d: this process may use %v", thread.Name, thread.CPU, topology.List(b.Allowed))
		}
		for _, r := range thread.Roles {
			if _, err := place.ParseRole(string(r)); err != nil {
				return fmt.Errorf("the plan's thread %s: %w", thread.Name, err)
			}
		}
		if n := thread.Node; n != nil && !t.MemoryNodes().Has(*n) {
			return fmt.Errorf("the plan has memory of %s on node %d: this machine has %v", thread.Name, *n, t.MemoryNodes())
		}
		b.others = append(b.others, thread.CPU)
	}
	for _, c := range p.Housekeeping {
		if !slices.Contains(b.Allowed, c) {
			return fmt.Errorf("the plan keeps CPU %d for housekeeping: this process may use %v", c, topology.List(b.Allowed))
		}
	}
	b.housekeeping = p.Housekeeping
	hot, ok := p.Of(place.Ingest)
	peer, also := p.Of(place.Generator)
	if !ok || !also {
		return fmt.Errorf("the plan lacks %s or %s: make it by esc plan --json with both roles", place.Ingest, place.Generator)
	}
	b.Pairs = Pairs(t, b.Allowed, hot.CPU, peer.CPU)
	if hot.Node != nil && len(t.MemoryNodes()) > 1 {
		b.Pairs[0].Node = *hot.Node
	}
	return nil
}

// Place has the bench run where a plan made for the machine says.
func (b *Bench) Place(t *topology.Topology) error {
	if len(b.Allowed) == 1 {
		b.Pairs = Pairs(t, b.Allowed, b.Allowed[0], b.Allowed[0])
		return nil
	}
	p, err := place.Choose(t, topology.Matrix{}, []place.Role{place.Ingest, place.Generator, place.Housekeeping})
	if err != nil {
		return err
	}
	return b.Follow(t, p)
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

// crew is n CPUs to spin on: the hot one, the peer, those of the plan's other
// threads, then whichever are left.
func (b *Bench) crew(n int) []int {
	cpus := []int{b.Hot, b.Peer}
	for _, c := range slices.Concat(b.others, b.Allowed) {
		if !slices.Contains(cpus, c) {
			cpus = append(cpus, c)
		}
	}
	return cpus[:min(n, len(cpus))]
}
