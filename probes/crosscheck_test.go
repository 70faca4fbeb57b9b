package probes

import (
	"testing"

	"github.com/klauspost/cpuid/v2"

	"eventstreamcore/probes/topology"
)

func TestCrossCheck(t *testing.T) {
	root, err := topology.OpenCaptured("topology/testdata/guests/qemu-isolated-offline/tree.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	m, err := topology.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	c := cpuid.CPUInfo{VendorID: cpuid.Intel, ThreadsPerCore: 2, LogicalCores: 4, CacheLine: 64}
	c.Cache.L1D, c.Cache.L1I, c.Cache.L2, c.Cache.L3 = 32<<10, 32<<10, 1<<20, -1
	want := map[string]bool{
		"L1 data cache, bytes": true, "L1 instruction cache, bytes": true, "L2 cache, bytes": false,
		"cache line, bytes": true, "threads per core": true, "threads per package": true,
	}
	facts := crossCheck(m, c)
	if len(facts) != len(want) {
		t.Errorf("%d facts, want %d: %+v", len(facts), len(want), facts)
	}
	for _, f := range facts {
		if agree, known := want[f.Name]; !known || f.Agree != agree || f.Kernel == "" || f.CPUID == "" {
			t.Errorf("%+v", f)
		}
		if f.Name == "L2 cache, bytes" && (f.Kernel != "4194304" || f.CPUID != "1048576") {
			t.Errorf("a mismatch must print both: %+v", f)
		}
	}
	if facts := crossCheck(m, cpuid.CPUInfo{}); len(facts) != 0 {
		t.Errorf("a CPU that says nothing: %+v", facts)
	}
}
