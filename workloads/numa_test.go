package workloads

import (
	"os"
	"strings"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/memory"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
)

// fourNodes is a machine of nodes with two cores of two threads, one with a
// single CPU, one without CPUs and one without memory.
func fourNodes() *topology.Topology {
	const gib = int64(1 << 30)
	t := &topology.Topology{Online: topology.List{0, 1, 2, 3, 4, 5, 6}}
	t.Allowed.CPUs = t.Online
	memory := gib
	none := int64(0)
	t.Nodes = []topology.Node{
		{ID: 0, CPUs: topology.List{0, 1, 2, 3}, MemoryBytes: &memory},
		{ID: 2, CPUs: topology.List{4}, MemoryBytes: &memory},
		{ID: 3, MemoryBytes: &memory},
		{ID: 5, CPUs: topology.List{5, 6}, MemoryBytes: &none},
	}
	t.Cores = []topology.Core{{CPUs: topology.List{0, 1}}, {CPUs: topology.List{2, 3}}, {CPUs: topology.List{4}}, {CPUs: topology.List{5, 6}}}
	return t
}

func TestNodeCPUs(t *testing.T) {
	m := fourNodes()
	nodes, cpus := nodeCPUs(m, m.Online)
	if len(nodes) != 3 || nodes[0] != 0 || nodes[1] != 2 || nodes[2] != 5 {
		t.Fatalf("nodes %v", nodes)
	}
	if cpus[0] != [2]int{0, 2} || cpus[2] != [2]int{4, -1} || cpus[5] != [2]int{5, 6} {
		t.Errorf("CPUs %v: want two cores where there are, else two threads", cpus)
	}
}

// emulated is a setting without a clock's calibration, for machines on which
// time means nothing.
func emulated(t *testing.T) *Bench {
	t.Helper()
	m, err := topology.Read(topology.Root("/"))
	if err != nil {
		t.Skip(err)
	}
	allowed := m.Usable()
	if len(allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	b := &Bench{Clock: cpu.NewClock(1e9), Allowed: allowed, Pairs: []Pair{{Place: "planned", Hot: allowed[0], Peer: allowed[1], Node: -1}}}
	b.use(b.Pairs[0])
	return b
}

// TestHandOversOnOneNode runs every structure between two CPUs over memory bound
// to the first node, and reads its place back.
func TestHandOversOnOneNode(t *testing.T) {
	b := emulated(t)
	r, err := memory.NewRegion(4096, 0)
	if err != nil {
		t.Skip(err)
	}
	pages, err := r.Nodes()
	if err != nil {
		t.Skip(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if onNode(pages, nil, 1) == nil {
		t.Error("pages of node 0 pass for node 1's")
	}
	cpus := map[int][2]int{0: {b.Allowed[0], b.Allowed[1]}}
	for _, h := range handOvers {
		m, err := b.handOverMatrix(h, []int{0}, cpus, 0, handedLeast)
		if err != nil {
			t.Errorf("%s: %v", h.name, err)
			continue
		}
		checkHandOvers(t, m, 1)
		if _, err := b.handOverMatrix(h, []int{0}, cpus, 1000, handedLeast); err == nil {
			t.Errorf("%s over memory of a node that is not there", h.name)
		}
	}
	if one, err := b.handOverMatrix(handOvers[0], []int{0}, map[int][2]int{0: {b.Allowed[0], -1}}, 0, handedLeast); err != nil || one.Values[0][0] != nil {
		t.Errorf("a node with one CPU: %+v, %v", one, err)
	}
}

func checkHandOvers(t *testing.T, m record.Matrix, nodes int) {
	t.Helper()
	if len(m.Values) != nodes || len(m.Rows) != nodes || m.Name == "" || m.How == "" {
		t.Fatalf("%s: %d rows", m.Name, len(m.Values))
	}
	for i, line := range m.Values {
		for j, v := range line {
			if v == nil || *v <= 0 {
				t.Errorf("%s from node %s to %s: nothing", m.Name, m.Rows[i], m.Columns[j])
			}
		}
	}
}

// TestNUMAHandOvers is the whole matrix on the nodes of a guest: its logic and
// its proof of placement, not its times.
func TestNUMAHandOvers(t *testing.T) {
	variant := os.Getenv("ESC_NUMA_VM")
	m, err := topology.Read(topology.Root("/"))
	if err != nil {
		t.Skip(err)
	}
	if len(m.MemoryNodes()) < 2 {
		if matrices, err := emulated(t).HandOvers(m, 0, never); err != nil || matrices != nil {
			t.Errorf("one node: %d matrices, %v", len(matrices), err)
		}
		return
	}
	if variant == "" {
		t.Skip("a machine of several nodes measures this in esc bench")
	}
	matrices, err := emulated(t).HandOvers(m, 0, never)
	if err != nil {
		t.Fatal(err)
	}
	nodes, _ := nodeCPUs(m, m.Usable())
	if want := len(handOvers) * len(m.MemoryNodes()); len(matrices) != want {
		t.Errorf("%d matrices, want %d", len(matrices), want)
	}
	for _, matrix := range matrices {
		checkHandOvers(t, matrix, len(nodes))
		t.Log(matrix.Name, matrix.Rows, *matrix.Values[0][0])
	}
	if !strings.Contains(matrices[0].How, "read back") {
		t.Error(matrices[0].How)
	}
}
