package workloads

import (
	"os"
	"testing"
	"time"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
)

func TestHardware(t *testing.T) {
	b := small(t)
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := b.Hardware(machine, os.DirFS("/"), Effort{Transfers: time.Millisecond, Point: time.Millisecond, Watch: 1}, never)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Caches) != 1 || len(h.Caches[0].Points) < 5 || len(h.Strips) != min(len(b.Allowed), 2) {
		t.Errorf("%+v", h)
	}
	if pairs := len(b.Allowed); pairs > 1 && (len(h.Matrices) == 0 || len(h.Matrices[0].Values) != pairs || h.Matrices[0].Values[0][0] != nil || *h.Matrices[0].Values[0][1] <= 0) {
		t.Errorf("core to core: %+v", h.Matrices)
	}
	for _, s := range h.Strips {
		if s.Ns < int64(window)/2 || s.Count < int64(len(s.Gaps)) || s.Lost > s.Ns*2 {
			t.Errorf("%s: %d of %d gaps, %d ns lost of %d", s.Name, len(s.Gaps), s.Count, s.Lost, s.Ns)
		}
	}
	if h, err := b.Hardware(machine, nil, Brief, func() bool { return true }); err != nil || h.Matrices != nil || h.Strips != nil {
		t.Errorf("measured though it was stopped: %+v, %v", h, err)
	}
}

// TestStripOfWindows: a later window's gaps stand behind the earlier one's, and
// the sums are over all gaps, those that are not kept too.
func TestStripOfWindows(t *testing.T) {
	s := record.Strip{Name: "hot"}
	for range 2 {
		lengthen(&s, probes.Jitter{DurationNs: 100, Gaps: 9, LostNs: 40, Worst: []probes.Gap{{AtNs: 70, Ns: 9, Cause: "b"}, {AtNs: 20, Ns: 8, Cause: "a"}}})
	}
	if s.Ns != 200 || s.Count != 18 || s.Lost != 80 || len(s.Gaps) != 4 {
		t.Errorf("%+v", s)
	}
	for i, at := range []int64{20, 70, 120, 170} {
		if s.Gaps[i].At != at {
			t.Errorf("gap %d at %d, want %d", i, s.Gaps[i].At, at)
		}
	}
}

// TestCachesOfACPU: neither another CPU's nor the instructions'.
func TestCachesOfACPU(t *testing.T) {
	bytes := int64(1 << 20)
	machine := &topology.Topology{Caches: []topology.Cache{
		{Level: 2, Type: "Unified", SizeBytes: &bytes, CPUs: topology.List{1}},
		{Level: 1, Type: "Instruction", SizeBytes: &bytes, CPUs: topology.List{0}},
		{Level: 1, Type: "Data", SizeBytes: &bytes, CPUs: topology.List{0}},
	}}
	if got := levels(machine, 0); len(got) != 1 || got[0].Name != "L1d" {
		t.Errorf("caches of CPU 0: %+v", got)
	}
	if got := largestCache(machine); got != bytes {
		t.Errorf("largest cache %d", got)
	}
}
