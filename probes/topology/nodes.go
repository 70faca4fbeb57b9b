package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Node is one NUMA node. A node without CPUs is memory alone (a tier, a
// GPU's); one without memory is CPUs alone.
type Node struct {
	ID          int            `json:"id"`
	CPUs        List           `json:"cpus"`        // online
	CPUsListed  List           `json:"cpus_listed"` // as the kernel lists them, offline ones too
	MemoryBytes *int64         `json:"memory_bytes"`
	FreeBytes   *int64         `json:"free_bytes"`
	Distances   map[string]int `json:"distances"` // by the other node's id; null where the kernel does not say
	HugePages   []HugePages    `json:"huge_pages"`

	// What the firmware states of access from the nearest CPUs (HMAT).
	Initiators         List `json:"initiators"`           // nodes nearest to this memory
	ReadLatencyNs      *int `json:"read_latency_ns"`      // of one access
	ReadBandwidthMBps  *int `json:"read_bandwidth_mbps"`  // MB/s, as the kernel gives it
	WriteLatencyNs     *int `json:"write_latency_ns"`     //
	WriteBandwidthMBps *int `json:"write_bandwidth_mbps"` //

	aside bool // repeats another node's CPUs
}

// MemoryTier is a set of nodes whose memory the kernel holds for equally fast.
type MemoryTier struct {
	ID    int  `json:"id"` // lower is faster
	Nodes List `json:"nodes"`
}

// HugePages counts the huge pages of one size.
type HugePages struct {
	SizeBytes int64 `json:"size_bytes"`
	Total     int   `json:"total"`
	Free      int   `json:"free"`
}

// readNodes finds the nodes. A CPU belongs to one node; firmware is known that
// gives every node all CPUs, and then only the first is to be believed.
func (r *reader) readNodes(t *Topology) {
	t.Nodes, t.MemoryCaches = []Node{}, []MemoryCache{}
	dirs := r.numbered(nodeRoot, "node")
	if online, ok := r.list(nodeRoot + "/online"); ok && len(online.And(dirs)) > 0 {
		dirs = online.And(dirs)
	}
	owner := map[int]int{}
	for _, id := range dirs {
		node := r.node(id, dirs, t)
		for _, c := range node.CPUs {
			if first, owned := owner[c]; owned {
				r.doubt("node %d lists CPUs that node %d has: its memory is put aside", id, first)
				node.aside = true
				break
			}
		}
		if !node.aside {
			for _, c := range node.CPUs {
				owner[c] = id
			}
		}
		t.Nodes = append(t.Nodes, node)
	}
	t.MemoryTiers = r.tiers()
}

func (r *reader) node(id int, all List, t *Topology) Node {
	dir := fmt.Sprintf("%s/node%d/", nodeRoot, id)
	n := Node{ID: id, HugePages: r.hugePages(dir + "hugepages"), Initiators: r.numbered(dir+"access0/initiators", "node")}
	cpus, ok := r.set(dir+"cpumap", dir+"cpulist")
	if !ok {
		cpus = r.numbered(dir[:len(dir)-1], "cpu")
	}
	n.CPUs = cpus.And(t.Online)
	if n.CPUsListed, ok = r.list(dir + "cpulist"); !ok {
		n.CPUsListed = cpus
	}
	if !slices.Equal(n.CPUsListed.And(t.Online), n.CPUs) {
		r.doubt("node %d: cpulist says %v, cpumap %v: the map is believed", id, n.CPUsListed, cpus)
	}
	n.MemoryBytes, n.FreeBytes = r.meminfo(dir + "meminfo")
	n.Distances = r.distances(dir+"distance", all)
	access := dir + "access0/initiators/"
	n.ReadLatencyNs, n.ReadBandwidthMBps = r.positive(access+"read_latency"), r.positive(access+"read_bandwidth")
	n.WriteLatencyNs, n.WriteBandwidthMBps = r.positive(access+"write_latency"), r.positive(access+"write_bandwidth")
	r.memoryCaches(t, id, dir+"memory_side_cache")
	return n
}

// distances reads one row of the matrix: as many numbers as there are nodes, in
// the order of their ids.
func (r *reader) distances(path string, nodes List) map[string]int {
	text, ok := r.raw(path)
	fields := strings.Fields(strings.Trim(text, "\x00"))
	if !ok || len(fields) == 0 {
		return nil
	}
	if len(fields) != len(nodes) {
		r.doubt("%s has %d numbers for %d nodes: not used", path, len(fields), len(nodes))
		return nil
	}
	row := map[string]int{}
	for i, f := range fields {
		d, err := strconv.Atoi(f)
		if err != nil {
			r.doubt("%s: %.20q is not a number", path, f)
			return nil
		}
		row[strconv.Itoa(nodes[i])] = d
	}
	return row
}

// meminfo reads MemTotal and MemFree, of a node or of the machine.
func (r *reader) meminfo(path string) (total, free *int64) {
	text, _ := r.raw(path)
	for line := range strings.Lines(text) {
		for name, into := range map[string]**int64{"MemTotal:": &total, "MemFree:": &free} {
			_, value, found := strings.Cut(line, name)
			fields := strings.Fields(value)
			if !found || len(fields) == 0 {
				continue
			}
			if kib, err := strconv.ParseInt(fields[0], 10, 50); err == nil {
				kib *= 1024
				*into = &kib
			}
		}
	}
	return total, free
}

func (r *reader) memoryCaches(t *Topology, node int, dir string) {
	for _, index := range r.numbered(dir, "index") {
		at := fmt.Sprintf("%s/index%d/", dir, index)
		t.MemoryCaches = append(t.MemoryCaches, MemoryCache{Level: index, SizeBytes: r.bytes(at + "size"), LineBytes: r.positive(at + "line_size"), Nodes: List{node}})
	}
}

func (r *reader) tiers() []MemoryTier {
	const root = "sys/devices/virtual/memory_tiering"
	tiers := []MemoryTier{}
	for _, id := range r.numbered(root, "memory_tier") {
		if nodes, ok := r.list(fmt.Sprintf("%s/memory_tier%d/nodelist", root, id)); ok {
			tiers = append(tiers, MemoryTier{ID: id, Nodes: nodes})
		}
	}
	return tiers
}

func (r *reader) hugePages(dir string) []HugePages {
	pages := []HugePages{}
	for _, name := range r.names(dir) {
		size, found := strings.CutPrefix(name, "hugepages-")
		kib, err := strconv.ParseInt(strings.TrimSuffix(size, "kB"), 10, 50)
		if !found || err != nil {
			continue
		}
		p := HugePages{SizeBytes: kib * 1024}
		if n := r.number(dir + "/" + name + "/nr_hugepages"); n != nil {
			p.Total = *n
		}
		if n := r.number(dir + "/" + name + "/free_hugepages"); n != nil {
			p.Free = *n
		}
		pages = append(pages, p)
	}
	slices.SortFunc(pages, func(a, b HugePages) int { return cmp.Compare(a.SizeBytes, b.SizeBytes) })
	return pages
}

// readMemory reads what belongs to the machine as a whole.
func (r *reader) readMemory(t *Topology) {
	t.MemoryBytes, t.FreeBytes = r.meminfo("proc/meminfo")
	t.HugePages = r.hugePages("sys/kernel/mm/hugepages")
}
