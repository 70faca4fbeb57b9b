package main

import (
	"os"
	"runtime"

	"github.com/klauspost/cpuid/v2"

	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
)

// readHost is what identifies the machine.
func readHost(t *topology.Topology) (h record.Host) {
	h = record.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuid.CPU.BrandName, Kernel: kernelRelease()}
	h.Name, _ = os.Hostname()
	if cpuid.CPU.Supports(cpuid.HYPERVISOR) {
		h.Virtual = cpuid.CPU.HypervisorVendorString
		if h.Virtual == "" {
			h.Virtual = "unknown hypervisor"
		}
	}
	h.Allowed, h.Online, h.Nodes, h.MemoryMB = t.Usable(), t.Online, len(t.Nodes), memoryMB()
	return h
}
