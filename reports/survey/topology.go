package survey

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/chart"
)

func (p page) topology(t *topology.Topology, facts []probes.Fact) {
	p.row("CPUs", fmt.Sprintf("online %v, usable %v, allowed %v", t.Online, t.Usable(), t.Allowed.CPUs))
	if len(t.Offline) > 0 {
		p.row("offline", t.Offline)
	}
	p.row("isolated", listed(t.Isolated))
	p.row("nohz_full", listed(t.NohzFull))
	p.row("packages", groups(t.Packages))
	if len(t.Dies) > 0 {
		p.row("dies", groups(t.Dies))
	}
	if len(t.Clusters) > 0 {
		p.row("clusters", groups(t.Clusters))
	}
	p.row("cores", fmt.Sprintf("%d, of %s thread(s)", len(t.Cores), or(t.SMT)))
	for _, k := range t.Kinds {
		p.row("kind", fmt.Sprintf("CPUs %v: %s", k.CPUs, pairs(k.Info)))
	}
	for _, line := range cacheLines(t) {
		p.row("cache", line)
	}
	p.nodes(t)
	for _, h := range t.HugePages {
		p.row("huge pages", fmt.Sprintf("%s: %d, %d free", chart.Bytes(h.SizeBytes), h.Total, h.Free))
	}
	for _, n := range t.NICs {
		p.row("network", fmt.Sprintf("%s, %s, node %s, %s Mb/s", n.Name, n.State, or(n.Node), or(n.SpeedMbps)))
	}
	p.facts(facts)
	for _, d := range t.Doubts {
		p.row("doubt", d)
	}
}

// facts are those that CPUID says besides.
func (p page) facts(facts []probes.Fact) {
	agree := 0
	for _, f := range facts {
		if f.Agree {
			agree++
			continue
		}
		p.row("differs", fmt.Sprintf("%s: the kernel says %s, CPUID %s", f.Name, f.Kernel, f.CPUID))
	}
	if len(facts) > 0 {
		p.row("CPUID", fmt.Sprintf("agrees in %d of %d facts", agree, len(facts)))
	}
}

// groups counts them, and names the first.
func groups(all []topology.Group) string {
	texts := []string{}
	for _, g := range all[:min(8, len(all))] {
		texts = append(texts, fmt.Sprintf("%s: %v", or(g.ID), g.CPUs))
	}
	if len(all) > len(texts) {
		texts = append(texts, "..")
	}
	return fmt.Sprintf("%d (%s)", len(all), strings.Join(texts, "; "))
}

// cacheLines has a line for each level, type and size.
func cacheLines(t *topology.Topology) (lines []string) {
	counts := map[string]int{}
	for _, c := range t.Caches {
		size := "of unknown size"
		if c.SizeBytes != nil {
			size = chart.Bytes(*c.SizeBytes)
		}
		line := fmt.Sprintf("L%d %s %s, line %s, %s ways, shared by %d", c.Level, c.Type, size, or(c.LineBytes), or(c.Ways), len(c.CPUs))
		if counts[line] == 0 {
			lines = append(lines, line)
		}
		counts[line]++
	}
	for i, line := range lines {
		lines[i] = fmt.Sprintf("%d x %s", counts[line], line)
	}
	return lines
}

func (p page) nodes(t *topology.Topology) {
	if len(t.Nodes) == 0 {
		p.row("nodes", "the kernel has no NUMA")
	}
	for _, n := range t.Nodes {
		cpus, memory := contents(n)
		if n.FreeBytes != nil {
			memory += fmt.Sprintf(", %s free", chart.Bytes(*n.FreeBytes))
		}
		distances := []string{}
		for _, other := range t.Nodes {
			if d, known := n.Distances[fmt.Sprint(other.ID)]; known {
				distances = append(distances, fmt.Sprintf("%d:%d", other.ID, d))
			}
		}
		if len(distances) == 0 {
			distances = []string{"unknown"}
		}
		p.row(fmt.Sprintf("node %d", n.ID), fmt.Sprintf("%s, %s, distances %s", cpus, memory, strings.Join(distances, " ")))
	}
	for _, tier := range t.MemoryTiers {
		p.row("memory tier", fmt.Sprintf("%d: nodes %v", tier.ID, tier.Nodes))
	}
}

// contents are a node's CPUs and memory.
func contents(n topology.Node) (cpus, memory string) {
	cpus, memory = "no CPUs", "memory unknown"
	if len(n.CPUs) > 0 {
		cpus = "CPUs " + n.CPUs.String()
	}
	if n.MemoryBytes != nil {
		memory = chart.Bytes(*n.MemoryBytes)
	}
	return cpus, memory
}

// listed is a list, or the word for none and for nothing known.
func listed(l *topology.List) string {
	if l != nil && len(*l) == 0 {
		return "none"
	}
	return or(l)
}

// pairs are names and values, by name.
func pairs(info map[string]string) string {
	texts := []string{}
	for _, name := range slices.Sorted(maps.Keys(info)) {
		texts = append(texts, name+" "+info[name])
	}
	return strings.Join(texts, ", ")
}
