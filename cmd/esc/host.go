package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/klauspost/cpuid/v2"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
)

// readHost is what identifies the machine.
func readHost(t *topology.Topology) (h record.Host, err error) {
	h = record.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuid.CPU.BrandName, Kernel: kernelRelease()}
	h.Name, _ = os.Hostname()
	if cpuid.CPU.Supports(cpuid.HYPERVISOR) {
		h.Virtual = cpuid.CPU.HypervisorVendorString
		if h.Virtual == "" {
			h.Virtual = "unknown hypervisor"
		}
	}
	if h.Allowed, err = cpu.Allowed(); err != nil {
		return h, fmt.Errorf("which CPUs this process may use: %w", err)
	}
	h.Online, h.Nodes, h.MemoryMB = t.Online, len(t.Nodes), memoryMB()
	return h, nil
}
