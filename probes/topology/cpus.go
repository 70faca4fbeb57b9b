package topology

import (
	"fmt"
	"slices"
)

// readCPUs finds which CPUs there are and which are online.
func (r *reader) readCPUs(t *Topology) error {
	t.CPUDirs = r.numbered(cpuRoot, "cpu")
	text, ok := r.raw(cpuRoot + "/online")
	switch {
	case ok && trimmed(text) != "":
		online, err := ParseList(text)
		if err != nil {
			return fmt.Errorf("%s/online: %w", cpuRoot, err)
		}
		t.Online = r.onlineWithFolder(t.CPUDirs, online)
	case len(t.CPUDirs) > 0:
		t.Online = t.CPUDirs.filter(r.switchedOn)
	case r.fromCPUInfo(t):
		return nil
	default:
		return fmt.Errorf("the root %w", ErrNoMachine)
	}
	if len(t.Online) == 0 {
		return fmt.Errorf("no CPU is online: %s/online and %s/cpu*/online agree on none", cpuRoot, cpuRoot)
	}
	if len(t.CPUDirs) == 0 {
		t.CPUDirs = t.Online
	}
	t.Offline = t.CPUDirs.Less(t.Online)
	t.Present, t.Possible = r.optional(cpuRoot+"/present"), r.optional(cpuRoot+"/possible")
	t.Isolated, t.NohzFull = r.optional(cpuRoot+"/isolated"), r.optional(cpuRoot+"/nohz_full")
	return nil
}

// onlineWithFolder is the list of online CPUs, less those without a folder: a
// tree may have been cut down after it was captured.
func (r *reader) onlineWithFolder(dirs, online List) List {
	if len(dirs) == 0 {
		r.doubt("%s has no folder a CPU: nothing is known of what CPUs share", cpuRoot)
		return online
	}
	if missing := online.Less(dirs); len(missing) > 0 {
		r.doubt("CPUs %v are online and have no folder: left out", missing)
	}
	return online.And(dirs)
}

// switchedOn reads a CPU's own switch, which a CPU that cannot go offline lacks.
func (r *reader) switchedOn(c int) bool {
	on := r.number(fmt.Sprintf("%s/cpu%d/online", cpuRoot, c))
	return on == nil || *on != 0
}

// shared is what one CPU says of a group that it belongs to.
type shared struct {
	cpus List // online
	id   *int
	said bool // by the kernel
}

// askedMax is how many CPUs a machine may have for each to be asked about every
// group that it is in. On larger ones a CPU that an earlier one has named is not
// asked again, save for its core: that would read a hundred thousand files for
// the sake of doubts.
const askedMax = 1024

// topologyOf reads one kind of group from every online CPU's topology folder.
// names are pairs of a mask and a list file, the newest name first.
func (r *reader) topologyOf(online List, id string, names ...string) map[int]shared {
	groups := make([]shared, len(online))
	each(len(online), func(i int) { groups[i] = r.groupOf(online[i], id, names) })
	byCPU := make(map[int]shared, len(online))
	for i, c := range online {
		byCPU[c] = groups[i]
	}
	return byCPU
}

// widerGroups is topologyOf for groups of several cores.
func (r *reader) widerGroups(online List, id string, names ...string) map[int]shared {
	if len(online) <= askedMax {
		return r.topologyOf(online, id, names...)
	}
	byCPU := make(map[int]shared, len(online))
	for _, c := range online {
		if _, named := byCPU[c]; named {
			continue
		}
		g := r.groupOf(c, id, names)
		byCPU[c] = g
		for _, other := range g.cpus {
			if _, named := byCPU[other]; !named {
				byCPU[other] = g
			}
		}
	}
	return byCPU
}

func (r *reader) groupOf(c int, id string, names []string) shared {
	dir := fmt.Sprintf("%s/cpu%d/topology/", cpuRoot, c)
	g := shared{id: r.id(dir + id)}
	for n := 0; n < len(names) && !g.said; n += 2 {
		g.cpus, g.said = r.set(dir+names[n], dir+names[n+1])
	}
	return g
}

// partition makes groups out of what the CPUs say, each CPU in one group. A
// CPU that its own group does not name stands alone; where two CPUs of a group
// disagree the lower one is believed. CPUs that say nothing go by id, and by
// nothing at all into no group.
func (r *reader) partition(what string, online List, said map[int]shared) []shared {
	var groups []shared
	of := map[int]int{} // group of each CPU
	byID := map[int]int{}
	for _, c := range online {
		s := said[c]
		if g, done := of[c]; done {
			if s.said && !slices.Equal(s.cpus.And(online), groups[g].cpus) {
				r.doubt("CPU %d says its %s is %v, CPU %d says %v", c, what, s.cpus, groups[g].cpus[0], groups[g].cpus)
			}
			continue
		}
		switch {
		case s.said:
			if !s.cpus.Has(c) {
				r.doubt("CPU %d's %s is said to be %v, without it", c, what, s.cpus)
				s.cpus = List{c}
			}
			s.cpus = s.cpus.And(online).filter(func(n int) bool { _, taken := of[n]; return !taken })
			for _, n := range s.cpus {
				of[n] = len(groups)
			}
			groups = append(groups, s)
		case s.id != nil:
			g, known := byID[*s.id]
			if !known {
				g = len(groups)
				byID[*s.id], groups = g, append(groups, shared{id: s.id})
			}
			groups[g].cpus, of[c] = append(groups[g].cpus, c), g
		}
	}
	return groups
}

// readGroups finds packages, dies, clusters and cores; it returns each CPU's die.
func (r *reader) readGroups(t *Topology) (die map[int]*int) {
	t.Packages, t.Dies, t.Clusters, t.Cores = []Group{}, []Group{}, []Group{}, []Core{}
	packages := r.packages
	if packages == nil {
		packages = r.widerGroups(t.Online, "physical_package_id", "package_cpus", "package_cpus_list", "core_siblings", "core_siblings_list")
	}
	for _, g := range r.partition("package", t.Online, packages) {
		t.Packages = append(t.Packages, Group{ID: g.id, CPUs: g.cpus})
	}
	t.Dies = r.dies(t)
	die = map[int]*int{}
	for _, d := range t.Dies {
		for _, c := range d.CPUs {
			die[c] = d.ID
		}
	}
	clusters := r.widerGroups(t.Online, "cluster_id", "cluster_cpus", "cluster_cpus_list")
	for _, g := range r.partition("cluster", t.Online, saidOnly(clusters)) {
		t.Clusters = append(t.Clusters, Group{ID: g.id, CPUs: g.cpus})
	}
	r.readCores(t)
	return die
}

// saidOnly drops groups of which only an id is known.
func saidOnly(groups map[int]shared) map[int]shared {
	for c, g := range groups {
		if !g.said {
			groups[c] = shared{}
		}
	}
	return groups
}

// dies are the dies, or none when each is the whole of its package. Machines
// without dies say die -1 and put each core on one of its own.
func (r *reader) dies(t *Topology) []Group {
	said := r.widerGroups(t.Online, "die_id", "die_cpus", "die_cpus_list")
	for c, g := range said {
		if g.id == nil || !g.said {
			said[c] = shared{}
		}
	}
	dies, whole := []Group{}, true
	for _, g := range r.partition("die", t.Online, said) {
		dies = append(dies, Group{ID: g.id, CPUs: g.cpus})
		whole = whole && hasGroup(t.Packages, g.cpus)
	}
	if whole {
		return []Group{}
	}
	return dies
}

func hasGroup(groups []Group, cpus List) bool {
	return slices.ContainsFunc(groups, func(g Group) bool { return slices.Equal(g.CPUs, cpus) })
}

// readCores finds the cores by their threads; a kernel that names no threads is
// taken by package and core id.
func (r *reader) readCores(t *Topology) {
	pkg := map[int]*int{}
	number := map[int]int{} // of the package, in our order: ids repeat
	for i, g := range t.Packages {
		for _, c := range g.CPUs {
			pkg[c], number[c] = g.ID, i
		}
	}
	said := r.cores
	if said == nil {
		said = r.topologyOf(t.Online, "core_id", "core_cpus", "core_cpus_list", "thread_siblings", "thread_siblings_list")
	}
	id := map[int]*int{}
	for c, g := range said {
		id[c] = g.id
		if !g.said && g.id != nil {
			unique := number[c]<<32 | *g.id
			said[c] = shared{id: &unique}
		}
	}
	for _, g := range r.partition("core", t.Online, said) {
		for _, cpus := range byCoreID(g.cpus, id) {
			t.Cores = append(t.Cores, Core{Package: pkg[cpus[0]], ID: id[cpus[0]], CPUs: cpus})
			if t.SMT == nil || len(cpus) > *t.SMT {
				threads := len(cpus)
				t.SMT = &threads
			}
		}
	}
}

// byCoreID splits what the kernel calls siblings by their core ids: AMD's
// modules of family 15h are two cores that share an L1i, an L2 and a
// floating-point unit.
func byCoreID(cpus List, id map[int]*int) (cores []List) {
	at := map[int]int{}
	for _, c := range cpus {
		key := -1
		if id[c] != nil {
			key = *id[c]
		}
		i, known := at[key]
		if !known {
			i = len(cores)
			at[key], cores = i, append(cores, nil)
		}
		cores[i] = append(cores[i], c)
	}
	return cores
}

// dropRepeatedClusters leaves the clusters that say something new.
func (r *reader) dropRepeatedClusters(t *Topology) {
	known := map[string]bool{}
	for _, sets := range [][]Group{t.Packages, t.Dies} {
		for _, g := range sets {
			known[g.CPUs.String()] = true
		}
	}
	for _, core := range t.Cores {
		known[core.CPUs.String()] = true
	}
	for _, cache := range t.Caches {
		known[cache.CPUs.String()] = true
	}
	for _, node := range t.Nodes {
		known[node.CPUs.String()] = true
	}
	t.Clusters = slices.DeleteFunc(t.Clusters, func(g Group) bool { return known[g.CPUs.String()] })
}
