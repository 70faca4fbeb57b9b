package place

import (
	"slices"
	"strconv"

	"eventstreamcore/probes/topology"
)

// site is the machine as a plan sees it. CPUs go by their index in cpus.
type site struct {
	cpus     topology.List // usable
	places   []topology.Place
	isolated []bool
	slow     []int  // how many kinds of core are more capable
	remote   []bool // no memory on its node
	cores    int    // among the usable CPUs
	nicNode  int    // index of the node of the first NIC that is up, -1 if none matters

	costs topology.Matrix
	least [topology.Relations]float64 // no pair of the relation is predicted below it
	usual [topology.Relations]float64 // for pairs that were not measured
	apart map[[2]int]float64          // between nodes, by index, from the firmware's distances
}

// modelNs is the one-way cost of each relation on a machine of which nothing
// was measured: between the usual ones of current x86 servers.
var modelNs = [topology.Relations]float64{
	topology.Self: 0, topology.Sibling: 10, topology.SameL2: 20, topology.SameL3: 40,
	topology.CrossL3: 90, topology.CrossNode: 120, topology.CrossPackage: 200,
}

func newSite(t *topology.Topology, costs topology.Matrix) *site {
	s := &site{cpus: t.Usable(), costs: costs, nicNode: nicNode(t), apart: distances(t)}
	n := len(s.cpus)
	s.places, s.isolated, s.slow, s.remote = make([]topology.Place, n), make([]bool, n), make([]int, n), make([]bool, n)
	places, memory := t.Places(), t.MemoryNodes()
	cores := map[int]bool{}
	for i, c := range s.cpus {
		p := places[c]
		s.places[i], s.isolated[i] = p, t.Isolated != nil && t.Isolated.Has(c)
		s.remote[i] = p.Node >= 0 && len(memory) > 0 && !memory.Has(t.Nodes[p.Node].ID)
		if p.Core < 0 {
			s.cores++ // of its own, for all that is known
		} else {
			cores[p.Core] = true
		}
		for rank, kind := range t.Kinds {
			if kind.CPUs.Has(c) {
				s.slow[i] = len(t.Kinds) - 1 - rank
			}
		}
	}
	s.cores += len(cores)
	s.calibrate(t)
	return s
}

// calibrate takes what was measured of each relation, its median, in the place
// of the model, and sees to it that a farther relation is never held for nearer
// than one that was measured: one pair that was measured while the host moved a
// CPU must not overturn that.
func (s *site) calibrate(t *topology.Topology) {
	s.usual = modelNs
	var measured [topology.Relations]bool
	for _, m := range s.costs.Summarise(t) {
		s.usual[m.Relation], measured[m.Relation] = m.Median, true
	}
	for r := 1; r < topology.Relations; r++ {
		s.least[r] = s.least[r-1]
		if measured[r-1] {
			s.least[r] = max(s.least[r], s.usual[r-1])
		}
		s.usual[r] = max(s.usual[r], s.usual[r-1], s.least[r])
	}
}

// cost is the one-way cost between two CPUs by index.
func (s *site) cost(i, j int) (ns float64, measured bool) {
	if i == j {
		return 0, true
	}
	r := s.places[i].To(s.places[j])
	if ns := s.costs.At(s.cpus[i], s.cpus[j]); ns > 0 {
		return max(ns, s.least[r]), true
	}
	if ns, known := s.apart[[2]int{s.places[i].Node, s.places[j].Node}]; known {
		return max(ns, s.usual[r]), false
	}
	return s.usual[r], false
}

// distances is a model of the cost between nodes: the firmware's distance is a
// ratio of memory latencies in which 10 is local.
func distances(t *topology.Topology) map[[2]int]float64 {
	apart := map[[2]int]float64{}
	for i, a := range t.Nodes {
		for j, b := range t.Nodes {
			if d, known := a.Distances[strconv.Itoa(b.ID)]; known && i != j && d > 10 {
				apart[[2]int{i, j}] = 60 + 6*float64(d)
			}
		}
	}
	return apart
}

// nicNode is the index of the node that the first NIC in use hangs on, where
// there is more than one node to choose from.
func nicNode(t *topology.Topology) int {
	if len(t.MemoryNodes()) < 2 {
		return -1
	}
	for _, nic := range t.NICs {
		if nic.Node == nil || nic.State != "up" {
			continue
		}
		return slices.IndexFunc(t.Nodes, func(n topology.Node) bool { return n.ID == *nic.Node })
	}
	return -1
}

// memoryNode is the node whose memory a thread on a CPU should take: its own,
// or the nearest that has any.
func memoryNode(t *topology.Topology, p topology.Place) *int {
	memory := t.MemoryNodes()
	if len(memory) == 0 {
		return nil
	}
	if p.Node < 0 {
		return &memory[0]
	}
	own := t.Nodes[p.Node]
	if memory.Has(own.ID) {
		return &own.ID
	}
	nearest := memory[0]
	for _, n := range memory[1:] {
		if distance(own, n) < distance(own, nearest) {
			nearest = n
		}
	}
	return &nearest
}

func distance(from topology.Node, to int) int {
	if d, known := from.Distances[strconv.Itoa(to)]; known {
		return d
	}
	return 1 << 20
}
