package place

import (
	"cmp"
	"fmt"
	"slices"

	"eventstreamcore/probes/topology"
)

// plan puts a layout into words.
func (l layout) plan(t *topology.Topology, roles []Role) Plan {
	p := Plan{Threads: make([]Thread, len(l.at)), Hops: []Hop{}, PredictedNs: l.predicted(), Notes: append([]string{}, l.notes...)}
	for i, cpu := range l.at {
		p.Threads[i] = Thread{Name: name(l.threads[i]), Roles: l.threads[i], CPU: l.cpus[cpu], Node: memoryNode(t, l.places[cpu])}
	}
	for _, k := range l.links {
		i, j := l.at[k.from], l.at[k.to]
		ns, measured := l.cost(i, j)
		p.Hops = append(p.Hops, Hop{From: p.Threads[k.from].Name, To: p.Threads[k.to].Name, FromCPU: l.cpus[i], ToCPU: l.cpus[j],
			Relation: l.places[i].To(l.places[j]), Share: k.share, Ns: ns, Measured: measured})
	}
	for i := range p.Threads {
		p.Threads[i].Why = l.why(i, p, t)
	}
	p.Notes = append(p.Notes, l.broken(t)...)
	p.Housekeeping = l.housekeeping()
	if slices.Contains(roles, Housekeeping) && len(p.Housekeeping) > 0 {
		cpu := p.Housekeeping[0]
		at := l.places[slices.Index(l.cpus, cpu)]
		p.Threads = append(p.Threads, Thread{Name: string(Housekeeping), Roles: []Role{Housekeeping}, CPU: cpu, Node: memoryNode(t, at), Why: []string{l.whyHousekeeping(cpu)}})
	}
	return p
}

// why says what speaks for a thread's CPU.
func (l *layout) why(thread int, p Plan, t *topology.Topology) (lines []string) {
	cpu := l.at[thread]
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if l.isolated[cpu] {
		add("isolated: the scheduler puts nothing else on it")
	}
	for _, h := range p.Hops {
		if h.To == p.Threads[thread].Name {
			add("%s is handed on by %s on CPU %d: %v, %.0f ns %s", describeShare(h.Share), h.From, h.FromCPU, h.Relation, h.Ns, source(h.Measured))
		}
	}
	if siblings := l.siblings(cpu); len(siblings) > 0 {
		add("its core's other threads, %v, stay free", siblings)
	}
	if len(t.Kinds) > 1 && l.slow[cpu] == 0 {
		add("one of the most capable cores")
	}
	if thread == l.ingest && l.nicNode >= 0 && l.places[cpu].Node == l.nicNode {
		add("on node %d, as the network card", t.Nodes[l.nicNode].ID)
	}
	if node := p.Threads[thread].Node; node != nil && len(t.Nodes) > 1 {
		if l.remote[cpu] {
			add("its node has no memory: node %d is the nearest that has", *node)
		} else {
			add("memory on its own node %d", *node)
		}
	}
	if len(lines) == 0 {
		add("first on the path: the others are placed round it")
	}
	return lines
}

func describeShare(share float64) string {
	return fmt.Sprintf("%.0f %% of the weighted path", share*100)
}

func source(measured bool) string {
	if measured {
		return "measured"
	}
	return "by relation, not measured"
}

// siblings are the usable CPUs of the same core.
func (l *layout) siblings(cpu int) (list topology.List) {
	for i, p := range l.places {
		if i != cpu && p.To(l.places[cpu]) == topology.Sibling {
			list = append(list, l.cpus[i])
		}
	}
	return list
}

// broken says which constraints the plan does not keep.
func (l *layout) broken(t *topology.Topology) (notes []string) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for i, a := range l.at {
		if l.anyIso && !l.isolated[a] {
			note("%s on CPU %d is not isolated: there are too few isolated cores", name(l.threads[i]), l.cpus[a])
		}
		if l.slow[a] > 0 {
			note("%s on CPU %d is on a less capable kind of core", name(l.threads[i]), l.cpus[a])
		}
		if i == l.ingest && l.nicNode >= 0 && l.places[a].Node != l.nicNode {
			note("ingest on CPU %d is away from the network card's node %d: being near the others weighs more", l.cpus[a], t.Nodes[l.nicNode].ID)
		}
		for j, b := range l.at[:i] {
			if l.places[a].To(l.places[b]) == topology.Sibling {
				note("%s and %s share a core: CPUs %d and %d", name(l.threads[j]), name(l.threads[i]), l.cpus[b], l.cpus[a])
			}
		}
	}
	return notes
}

// housekeeping are the CPUs for all that does not spin, best first by what it
// disturbs least: cores on which nothing spins, then threads beside a spinner,
// then those in use; isolated ones only if there are no others.
func (l *layout) housekeeping() []int {
	tiers := make([][]int, 4)
	for i, c := range l.cpus {
		tier := 0
		for _, hot := range l.at {
			switch {
			case hot == i:
				tier = max(tier, 3)
			case l.places[i].To(l.places[hot]) == topology.Sibling:
				tier = max(tier, 2)
			}
		}
		if tier == 0 && l.isolated[i] {
			tier = 1
		}
		tiers[tier] = append(tiers[tier], c)
	}
	slices.SortStableFunc(tiers[0], func(a, b int) int {
		return cmp.Compare(l.slow[slices.Index(l.cpus, b)], l.slow[slices.Index(l.cpus, a)])
	})
	slices.SortStableFunc(tiers[3], func(a, b int) int { return cmp.Compare(l.weightOn(a), l.weightOn(b)) })
	for _, list := range tiers {
		if len(list) > 0 {
			return list
		}
	}
	return []int{}
}

// weightOn is the weight of what spins on a CPU.
func (l *layout) weightOn(cpu int) float64 {
	thread := slices.Index(l.at, slices.Index(l.cpus, cpu))
	if thread < 0 {
		return 0
	}
	return l.weight[thread]
}

func (l *layout) whyHousekeeping(cpu int) string {
	i := slices.Index(l.cpus, cpu)
	if slices.Contains(l.at, i) {
		return "no CPU is free of spinners: it shares this one"
	}
	for _, hot := range l.at {
		if l.places[i].To(l.places[hot]) == topology.Sibling {
			return "no core is free: it disturbs the spinner on the same core"
		}
	}
	return "nothing spins on its core"
}
