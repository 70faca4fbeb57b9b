package topology

import (
	"fmt"
	"slices"
)

// Relation is how near two CPUs are, the nearest first.
type Relation uint8

// The relations. A machine without an L3 has its CPUs CrossL3 as soon as they
// share no cache.
const (
	Self         Relation = iota
	Sibling               // threads of one core
	SameL2                // cores that share an L2: modules, clusters of efficient cores
	SameL3                // or a later cache
	CrossL3               // one node, no common cache
	CrossNode             // nodes of one package
	CrossPackage          // or nothing is known in common

	// Relations is how many there are.
	Relations = 7
)

var relationNames = [Relations]string{"self", "smt sibling", "same L2", "same L3", "cross L3", "cross node", "cross package"}

func (r Relation) String() string {
	if r >= Relations {
		return fmt.Sprintf("relation(%d)", uint8(r))
	}
	return relationNames[r]
}

// MarshalText writes the relation's name.
func (r Relation) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the relation's name.
func (r *Relation) UnmarshalText(text []byte) error {
	i := slices.Index(relationNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("relation %q: one of %q", text, relationNames)
	}
	*r = Relation(i)
	return nil
}

// Place is where one CPU stands: numbers of the group in the Topology's lists,
// -1 where it is in none.
type Place struct {
	Core, L2, L3, Node, Package int
}

// Places finds the place of every online CPU. L3 is the instance of the
// farthest cache beyond L2.
func (t *Topology) Places() map[int]Place {
	places := make(map[int]*Place, len(t.Online))
	for _, c := range t.Online {
		places[c] = &Place{-1, -1, -1, -1, -1}
	}
	for i, core := range t.Cores {
		for _, c := range core.CPUs {
			places[c].Core = i
		}
	}
	for i, cache := range t.Caches { // by level, so that the farthest comes last
		if cache.Type == "Instruction" || cache.Level < 2 {
			continue
		}
		for _, c := range cache.CPUs {
			if cache.Level == 2 {
				places[c].L2 = i
			} else {
				places[c].L3 = i
			}
		}
	}
	for i, node := range t.Nodes {
		for _, c := range node.CPUs {
			if !node.aside {
				places[c].Node = i
			}
		}
	}
	for i, g := range t.Packages {
		for _, c := range g.CPUs {
			places[c].Package = i
		}
	}
	flat := make(map[int]Place, len(places))
	for c, p := range places {
		flat[c] = *p
	}
	return flat
}

// To is the relation of two different CPUs' places. Where neither's node or
// package is known they are taken to be the same.
func (p Place) To(q Place) Relation {
	switch {
	case p.Core >= 0 && p.Core == q.Core:
		return Sibling
	case p.L2 >= 0 && p.L2 == q.L2:
		return SameL2
	case p.L3 >= 0 && p.L3 == q.L3:
		return SameL3
	case p.Package != q.Package:
		return CrossPackage
	case p.Node != q.Node:
		return CrossNode
	}
	return CrossL3
}

// MemoryNodes are the ids of the allowed nodes that hold memory.
func (t *Topology) MemoryNodes() List {
	nodes := List{}
	for _, n := range t.Nodes {
		if !n.aside && (n.MemoryBytes == nil || *n.MemoryBytes > 0) && (t.Allowed.Nodes == nil || t.Allowed.Nodes.Has(n.ID)) {
			nodes = append(nodes, n.ID)
		}
	}
	return nodes
}
