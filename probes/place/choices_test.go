package place

import (
	"strings"
	"testing"

	"eventstreamcore/probes/topology"
)

func planned(t *testing.T, m *topology.Topology, costs topology.Matrix, roles []Role) Plan {
	t.Helper()
	p, err := Choose(m, costs, roles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func on(t *testing.T, p Plan, r Role) int {
	t.Helper()
	thread, ok := p.Of(r)
	if !ok {
		t.Fatalf("%s is not placed", r)
	}
	return thread.CPU
}

func said(p Plan, text string) bool { return strings.Contains(strings.Join(p.Notes, "\n"), text) }

// TestTheEngineHasTheIsolatedCore: one isolated core, 2-3, and two others; the
// generator must not take it.
func TestTheEngineHasTheIsolatedCore(t *testing.T) {
	p := planned(t, machines(t)["qemu-isolated-offline"], topology.Matrix{}, everything)
	if c := on(t, p, Ingest); c != 2 && c != 3 {
		t.Errorf("ingest on CPU %d, want 2 or 3: %+v", c, p)
	}
	if !said(p, "generator on CPU") || !said(p, "sentinel") {
		t.Errorf("what was given up is not said: %q", p.Notes)
	}
}

// TestTwoCPUs: alone the engine splits; with a generator it is fused.
func TestTwoCPUs(t *testing.T) {
	two := &topology.Topology{Online: topology.List{0, 1}, Allowed: topology.Allowed{CPUs: topology.List{0, 1}}}
	alone := planned(t, two, topology.Matrix{}, engineOnly)
	if on(t, alone, Ingest) != on(t, alone, Dispatch) || on(t, alone, Ingest) == on(t, alone, Realtime) || on(t, alone, Realtime) != on(t, alone, Store) {
		t.Errorf("alone on two: %+v", alone.Threads)
	}
	driven := planned(t, two, topology.Matrix{}, everything)
	if on(t, driven, Ingest) != on(t, driven, Store) || on(t, driven, Ingest) == on(t, driven, Generator) {
		t.Errorf("with a generator on two: %+v", driven.Threads)
	}
	if driven.Housekeeping[0] != on(t, driven, Generator) {
		t.Errorf("housekeeping disturbs the engine rather than the generator: %v", driven.Housekeeping)
	}
}

// TestEqualsAreTakenFromTheEnd: CPU 0 has the interrupts that nobody moved, and
// is the last to spin, however many CPUs cost the same.
func TestEqualsAreTakenFromTheEnd(t *testing.T) {
	for _, n := range []int{2, 3, 8, 64, 500} {
		m := &topology.Topology{}
		for c := range n {
			m.Online = append(m.Online, c)
		}
		m.Allowed.CPUs = m.Online
		p := planned(t, m, topology.Matrix{}, everything)
		if c := on(t, p, Ingest); c == 0 {
			t.Errorf("%d CPUs: ingest on CPU 0: %+v", n, p.Threads)
		}
		if n > len(everything) && p.Housekeeping[0] != 0 {
			t.Errorf("%d CPUs: housekeeping on %v, want CPU 0 first", n, p.Housekeeping)
		}
		for _, thread := range p.Threads {
			if n > 2 && thread.CPU == 0 && thread.Name != string(Housekeeping) {
				t.Errorf("%d CPUs: %s on CPU 0", n, thread.Name)
			}
		}
	}
}

func TestOneCPU(t *testing.T) {
	one := &topology.Topology{Online: topology.List{3}, Allowed: topology.Allowed{CPUs: topology.List{3}}}
	p := planned(t, one, topology.Matrix{}, everything)
	if on(t, p, Ingest) != 3 || on(t, p, Generator) != 3 || !said(p, "oversubscribed") {
		t.Errorf("%+v", p)
	}
}

// TestMeasuredBeatsTheModel: four CPUs of which nothing is known; two pairs were
// measured to be near.
func TestMeasuredBeatsTheModel(t *testing.T) {
	list := topology.List{0, 1, 2, 3}
	m := &topology.Topology{Online: list, Allowed: topology.Allowed{CPUs: list}}
	costs := topology.NewMatrix(list)
	for i := range list {
		for j := range i {
			costs.Set(i, j, 150)
		}
	}
	costs.Set(1, 3, 50)
	p := planned(t, m, costs, few)
	a, b := on(t, p, Ingest), on(t, p, Store)
	if min(a, b) != 1 || max(a, b) != 3 || !p.Hops[0].Measured || p.PredictedNs != 50 {
		t.Errorf("ingest on %d, store on %d: %+v", a, b, p.Hops)
	}
}

// TestFartherIsNeverNearer: a pair across packages that was measured too cheap,
// while the host moved a CPU, must not draw the plan apart.
func TestFartherIsNeverNearer(t *testing.T) {
	m := machines(t)["qemu-memless-node"]
	costs := topology.NewMatrix(m.Online)
	costs.Set(0, 1, 60)
	costs.Set(2, 3, 60)
	costs.Set(4, 5, 60)
	costs.Set(0, 5, 15)
	p := planned(t, m, costs, few)
	if p.Hops[0].Relation != topology.SameL3 {
		t.Errorf("drawn apart by one odd pair: %+v", p.Hops)
	}
}

func TestIngestGoesToTheNIC(t *testing.T) {
	m := machines(t)["qemu-2p2d2c2t-4n"]
	for _, node := range []int{0, 1, 2, 3} {
		m.NICs = []topology.NIC{{Name: "eth1", State: "down"}, {Name: "eth0", State: "up", Node: &node}}
		p := planned(t, m, topology.Matrix{}, few)
		if c := on(t, p, Ingest); !m.Nodes[node].CPUs.Has(c) {
			t.Errorf("the NIC is on node %d, ingest on CPU %d", node, c)
		}
	}
}

// TestMemoryIsNearWhereANodeHasNone: node 1 of this guest has CPUs and no
// memory; hot threads keep away from it while there is room.
func TestMemoryIsNearWhereANodeHasNone(t *testing.T) {
	m := machines(t)["qemu-memless-node"]
	p := planned(t, m, topology.Matrix{}, few)
	for _, thread := range p.Threads {
		if m.Nodes[1].CPUs.Has(thread.CPU) {
			t.Errorf("%s is on a node without memory", thread.Name)
		}
	}
	m.Allowed.CPUs = m.Nodes[1].CPUs
	m.Affinity = nil
	p = planned(t, m, topology.Matrix{}, few)
	for _, thread := range p.Threads {
		if !m.Nodes[1].CPUs.Has(thread.CPU) || thread.Node == nil || *thread.Node == 1 {
			t.Errorf("%+v", thread)
		}
	}
}

// TestFastCoresFirst: a phone of three kinds, with one, four and three CPUs.
func TestFastCoresFirst(t *testing.T) {
	m := machines(t)["arm-phone-4kinds"]
	if m == nil {
		t.Skip("this machine stands beside the repository only")
	}
	p := planned(t, m, topology.Matrix{}, everything)
	for _, r := range []Role{Ingest, Dispatch, Realtime, Store} {
		if c := on(t, p, r); c < 3 {
			t.Errorf("%s on CPU %d, a slow one", r, c)
		}
	}
	if c := on(t, p, Generator); c > 2 {
		t.Errorf("the generator took CPU %d from a stage", c)
	}
	if p.Housekeeping[0] > 2 {
		t.Errorf("housekeeping on CPU %d, a fast one", p.Housekeeping[0])
	}
}

// TestThousandsOfCPUs: no table of all pairs, and an end to the search.
func TestThousandsOfCPUs(t *testing.T) {
	const n = 2048
	m := &topology.Topology{}
	for c := range n {
		m.Online = append(m.Online, c)
		if c%2 == 0 {
			m.Cores = append(m.Cores, topology.Core{CPUs: topology.List{c, c + 1}})
		}
		if c%16 == 0 {
			group := topology.List{}
			for o := range 16 {
				group = append(group, c+o)
			}
			m.Caches = append(m.Caches, topology.Cache{Level: 3, Type: "Unified", CPUs: group})
		}
	}
	m.Allowed.CPUs = m.Online
	p := planned(t, m, topology.Matrix{}, everything)
	for _, h := range p.Hops {
		if h.Relation != topology.SameL3 {
			t.Errorf("%+v", h)
		}
	}
}
