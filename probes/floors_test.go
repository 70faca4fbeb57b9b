package probes

import (
	"os"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

func everySound(t *testing.T, floors []Floor, missing []string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range floors {
		sound(t, f, nil)
	}
	for _, m := range missing {
		t.Log("missing:", m)
	}
}

func TestKernel(t *testing.T) {
	clock, cpus := calibrated(t)
	var peer *int
	if len(cpus) > 1 {
		peer = &cpus[1]
	}
	floors, missing, err := Kernel(clock, cpus[0], peer, 7*brief)
	everySound(t, floors, missing, err)
}

func TestAtomics(t *testing.T) {
	clock, cpus := calibrated(t)
	var peer *int
	if len(cpus) > 1 {
		peer = &cpus[1]
	}
	floors, missing, err := Atomics(clock, cpus[0], peer, 10*brief)
	everySound(t, floors, missing, err)
}

func TestNetwork(t *testing.T) {
	clock, cpus := calibrated(t)
	if len(cpus) < 2 {
		t.Skip("one CPU")
	}
	floors, err := Network(clock, cpus[0], cpus[1], 4*brief)
	everySound(t, floors, nil, err)
}

func TestDisk(t *testing.T) {
	clock, _ := calibrated(t)
	floors, missing, err := Disk(clock, t.TempDir(), 4*brief)
	everySound(t, floors, missing, err)
	if _, _, err := Disk(clock, "/nonexistent", brief); err == nil {
		t.Error("no such folder: no error")
	}
}

func TestCurve(t *testing.T) {
	clock, cpus := calibrated(t)
	c, err := MeasureCurve(clock, cpus[0], nil, []int{4096, 6144, 1 << 20}, 3*brief)
	if err != nil || len(c.Points) != 3 {
		t.Fatalf("%d points, %v", len(c.Points), err)
	}
	for _, p := range c.Points {
		sound(t, p.Latency, nil)
		for _, r := range []Rate{p.Read, p.Write, p.Copy} {
			if !(r.PerSecond > 0 && r.Low <= r.PerSecond && r.PerSecond <= r.High) {
				t.Errorf("%d bytes: %+v", p.Bytes, r)
			}
		}
		t.Logf("read %.3g write %.3g copy %.3g", p.Read.PerSecond, p.Write.PerSecond, p.Copy.PerSecond)
	}
}

func TestCurveSizes(t *testing.T) {
	for _, largest := range []int64{0, 32 << 20, 1 << 40} {
		sizes := CurveSizes(largest)
		for i := range sizes[1:] {
			if sizes[i+1] <= sizes[i] {
				t.Errorf("sizes do not ascend: %v", sizes)
			}
		}
		if sizes[0] != curveLeast || sizes[len(sizes)-1] > curveMost || len(sizes) > 40 {
			t.Errorf("%d: %v", largest, sizes)
		}
	}
}

// TestMemoryOfANode takes it from the first node with memory, and from one that
// is not there.
func TestMemoryOfANode(t *testing.T) {
	m, err := topology.Read(topology.Root("/"))
	if err != nil || len(m.MemoryNodes()) == 0 {
		t.Skip("no memory nodes here: ", err)
	}
	p, err := newPages(1<<20, m.MemoryNodes()[0])
	if err != nil {
		t.Skip("memory cannot be bound here: ", err)
	}
	defer p.release()
	if err := verifyNode(p.bytes, m.MemoryNodes()[0]+1); err == nil {
		t.Error("pages are found on a node where they are not")
	}
	for _, absent := range []int{1000, 5000, -7} {
		if _, err := newPages(1<<20, absent); err == nil {
			t.Errorf("node %d: no error", absent)
		}
	}
}

func TestTransfersAndOffsets(t *testing.T) {
	clock, cpus := calibrated(t)
	if len(cpus) < 2 {
		t.Skip("one CPU")
	}
	m, err := topology.Read(topology.Root("/"))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	x, err := MeasureTransfers(clock, m, cpus[:2], false, brief, func(int, int) { calls++ })
	if err != nil || len(x.Pairs) != 1 || calls != 1 || x.Sampled || len(x.Summaries) != 1 {
		t.Fatalf("%+v, %v", x, err)
	}
	sound(t, x.Pairs[0].OneWay, nil)
	o, err := counterOffset(clock, cpus[0], cpus[1], brief)
	if err != nil || o.N == 0 || o.UncertaintyNs <= 0 {
		t.Errorf("%+v, %v", o, err)
	}
	t.Logf("%+v", o)
	f, err := Relay(clock, cpus[:2], brief)
	sound(t, f, err)
}

func TestChoosePairs(t *testing.T) {
	root, err := topology.OpenCaptured("topology/testdata/guests/qemu-2p2d2c2t-4n/tree.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	m, err := topology.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	pairs, sampled := choosePairs(m, m.Online, false)
	if len(pairs) != 16*15/2 || sampled {
		t.Errorf("%d pairs of 16 CPUs, sampled %v", len(pairs), sampled)
	}
	seen := map[[2]int]bool{}
	for _, p := range pairs {
		seen[[2]int{min(p.A, p.B), max(p.A, p.B)}] = true
		if p.A == p.B || p.Relation == topology.Self {
			t.Errorf("%+v", p)
		}
	}
	if len(seen) != len(pairs) {
		t.Error("a pair twice")
	}
	large := &topology.Topology{}
	for c := range 200 {
		large.Online = append(large.Online, c)
	}
	if pairs, sampled := choosePairs(large, large.Online, false); !sampled || len(pairs) != pairsPerRelation {
		t.Errorf("200 CPUs of one relation: %d pairs, sampled %v", len(pairs), sampled)
	}
	if pairs, sampled := choosePairs(large, large.Online, true); sampled || len(pairs) != 200*199/2 {
		t.Errorf("200 CPUs in full: %d pairs, sampled %v", len(pairs), sampled)
	}
}

func TestViews(t *testing.T) {
	root, err := topology.OpenCaptured("topology/testdata/guests/qemu-memless-node/tree.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	m, err := topology.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	full, views := 0, Views(m, m.Online)
	for _, v := range views {
		if v.Full {
			full++
		}
		if *v.Node == 1 {
			t.Error("a curve against a node without memory")
		}
	}
	if len(views) != 6 || full != 3 { // three caches against two nodes
		t.Errorf("%d views, %d in full", len(views), full)
	}
	if views := Views(&topology.Topology{Online: topology.List{0, 1}}, []int{0, 1}); len(views) != 1 || views[0].Node != nil || !views[0].Full {
		t.Errorf("a machine of which nothing is known: %+v", views)
	}
}

// TestProofLoadsAreTold holds the latency measurer to what is known: loads that
// hit L1 take under 3 ns, and those over 64 MiB more than three times as long.
func TestProofLoadsAreTold(t *testing.T) {
	if os.Getenv("ESC_PROOFS") != "1" {
		t.Skip("a timed check: set ESC_PROOFS=1")
	}
	clock, cpus := calibrated(t)
	near, err := RandomAccess(clock, cpus[0], 4096, 100*time.Millisecond)
	sound(t, near, err)
	far, err := RandomAccess(clock, cpus[0], 64<<20, 300*time.Millisecond)
	sound(t, far, err)
	if near.Ns > 3 || far.Ns < 3*near.Ns {
		t.Errorf("4 KiB: %v; 64 MiB: %v", near, far)
	}
}

// TestProofADelayIsMeasured: an operation that is known to wait is timed as long.
func TestProofADelayIsMeasured(t *testing.T) {
	if os.Getenv("ESC_PROOFS") != "1" {
		t.Skip("a timed check: set ESC_PROOFS=1")
	}
	clock, cpus := calibrated(t)
	const waitNs = 5000
	var samples []float64
	err := pinned(cpus[0], func() {
		samples = amortise(clock, 100*time.Millisecond, func(n int) {
			for range n {
				for began := cpu.Now(); clock.Ns(cpu.Now()-began) < waitNs; {
				}
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFloor("wait", "spinning until 5 us have passed", samples)
	sound(t, f, err)
	if f.Low < waitNs || f.Ns > 1.05*waitNs {
		t.Errorf("a wait of %d ns is measured as %v", waitNs, f)
	}
}
