package probes

import (
	"fmt"

	"github.com/klauspost/cpuid/v2"

	"eventstreamcore/probes/topology"
)

// Fact is one thing that two sources say: the kernel's files and the CPU itself.
type Fact struct {
	Name   string `json:"name"`
	Kernel string `json:"kernel"`
	CPUID  string `json:"cpuid"`
	Agree  bool   `json:"agree"`
}

// CrossCheck compares the topology with what the CPUID instruction says of the
// CPU that this process started on. What one of the two does not say is left
// out; a guest's CPUID is its host's invention, so that a difference there is
// common. On CPUs without CPUID there are no facts.
func CrossCheck(t *topology.Topology) []Fact { return crossCheck(t, cpuid.CPU) }

func crossCheck(t *topology.Topology, c cpuid.CPUInfo) []Fact {
	facts := []Fact{}
	add := func(name string, kernel, instruction int64) {
		if kernel > 0 && instruction > 0 {
			facts = append(facts, Fact{name, fmt.Sprint(kernel), fmt.Sprint(instruction), kernel == instruction})
		}
	}
	sizes := cacheSizes(t)
	add("L1 data cache, bytes", sizes["1Data"], int64(c.Cache.L1D))
	add("L1 instruction cache, bytes", sizes["1Instruction"], int64(c.Cache.L1I))
	add("L2 cache, bytes", sizes["2Unified"], int64(c.Cache.L2))
	add("L3 cache, bytes", sizes["3Unified"], int64(c.Cache.L3))
	for _, cache := range t.Caches {
		if cache.Level == 1 && cache.Type == "Data" && cache.LineBytes != nil {
			add("cache line, bytes", int64(*cache.LineBytes), int64(c.CacheLine))
			break
		}
	}
	if t.SMT != nil && c.VendorID != cpuid.VendorUnknown {
		add("threads per core", int64(*t.SMT), int64(c.ThreadsPerCore))
	}
	if len(t.Packages) > 0 {
		add("threads per package", int64(len(t.Packages[0].CPUs)), int64(c.LogicalCores))
	}
	return facts
}

// cacheSizes are the sizes of the caches of the first CPU, by level and type.
func cacheSizes(t *topology.Topology) map[string]int64 {
	sizes := map[string]int64{}
	for _, c := range t.Caches {
		if c.SizeBytes != nil && c.CPUs.Has(t.Online[0]) {
			sizes[fmt.Sprint(c.Level)+c.Type] = *c.SizeBytes
		}
	}
	return sizes
}
