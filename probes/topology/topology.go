// Package topology reads what the kernel says of the machine's shape: which
// CPUs there are and may be used, what they share, which memory is near.
//
// It takes the position that a captured tree and a live machine are read by the
// same code: Read takes an fs.FS whose root holds sys and proc. It measures
// nothing and asks no instruction. Where a file is missing the answer is null,
// never a guess; where two files contradict each other, one is taken and the
// other is said in Doubts.
package topology

import (
	"errors"
	"fmt"
	"io/fs"
)

// Topology is one machine. CPUs and nodes go by the kernel's numbers, sets of
// CPUs hold online ones only unless they say otherwise, and a nil pointer is
// something the kernel does not say.
type Topology struct {
	Schema  int                `json:"schema"` // of this JSON: 1
	Files   map[string]*string `json:"files"`  // the lists as the kernel wrote them, null where there is no such file
	CPUDirs List               `json:"cpu_dirs"`

	Online   List    `json:"online"`
	Offline  List    `json:"offline"` // has a folder and is not online
	Present  *List   `json:"present"`
	Possible *List   `json:"possible"`
	Isolated *List   `json:"isolated"`  // taken from the scheduler by isolcpus
	NohzFull *List   `json:"nohz_full"` // without a timer tick while one task runs
	Allowed  Allowed `json:"allowed"`
	Affinity *List   `json:"affinity"` // CPUs this process is started on

	SMT      *int    `json:"smt"` // most threads in a core
	Packages []Group `json:"packages"`
	Dies     []Group `json:"dies"`     // none when each is the whole of its package
	Clusters []Group `json:"clusters"` // only those that are no core, die, package, node or cache besides
	Cores    []Core  `json:"cores"`
	PUs      []PU    `json:"pus"`
	Kinds    []Kind  `json:"cpu_kinds"` // least capable first

	Caches       []Cache       `json:"caches"` // by level, type and first CPU
	MemoryCaches []MemoryCache `json:"memory_side_caches"`
	Nodes        []Node        `json:"nodes"`        // by id; none where the kernel has no NUMA
	MemoryTiers  []MemoryTier  `json:"memory_tiers"` // fastest first
	MemoryBytes  *int64        `json:"memory_bytes"` // of the whole machine
	FreeBytes    *int64        `json:"free_bytes"`
	HugePages    []HugePages   `json:"huge_pages"`
	NICs         []NIC         `json:"nics"`

	Doubts []string `json:"doubts"` // what was contradictory, unreadable or put aside
}

// Allowed is what this process's cpusets let through, online; see Usable for
// the CPUs to plan on. Nodes is nil where there are no nodes.
type Allowed struct {
	CPUs  List  `json:"cpus"`
	Nodes *List `json:"nodes"`
}

// Group is a package, a die or a cluster.
type Group struct {
	ID   *int `json:"id"` // the kernel's; not unique across packages
	CPUs List `json:"cpus"`
}

// Core is one core and its threads.
type Core struct {
	Package *int `json:"package"`
	ID      *int `json:"id"` // the kernel's; not unique, not even in one package
	CPUs    List `json:"cpus"`
}

// PU is one logical CPU and where it belongs.
type PU struct {
	CPU     int   `json:"cpu"`
	Online  bool  `json:"online"`
	Package *int  `json:"package"`
	Die     *int  `json:"die"`
	Core    *int  `json:"core"`
	Allowed bool  `json:"allowed"`
	Nodes   []int `json:"nodes"`
}

// Kind is a set of CPUs of the same build: hybrid and big.LITTLE machines have
// several. Info holds FrequencyMaxMHz, FrequencyBaseMHz, LinuxCapacity and
// CoreType where the kernel says them.
type Kind struct {
	CPUs List              `json:"cpus"`
	Info map[string]string `json:"info"`
}

// Cache is one instance of a cache.
type Cache struct {
	Level     int    `json:"level"`
	Type      string `json:"type"` // Data, Instruction or Unified
	SizeBytes *int64 `json:"size_bytes"`
	LineBytes *int   `json:"line_bytes"`
	Ways      *int   `json:"ways"` // 0 is fully associative
	CPUs      List   `json:"cpus"` // that share it
}

// MemoryCache is a cache in front of a node's memory.
type MemoryCache struct {
	Level     int    `json:"level"`
	SizeBytes *int64 `json:"size_bytes"`
	LineBytes *int   `json:"line_bytes"`
	Nodes     List   `json:"nodes"`
}

// ErrNoMachine says that the root describes no machine.
var ErrNoMachine = errors.New("describes no CPU: it must hold sys/devices/system/cpu and proc of a Linux machine")

// Read reads the machine described below fsys, Root("/") for this one. An
// error names the file at fault; what is merely odd goes to Doubts.
func Read(fsys fs.FS) (*Topology, error) {
	r := newReader(fsys)
	t := &Topology{Schema: 1, Files: r.verbatim()}
	if err := r.readCPUs(t); err != nil {
		return nil, fmt.Errorf("topology: %w", err)
	}
	r.readNodes(t)
	r.readAllowed(t)
	die := r.readGroups(t)
	r.readCaches(t)
	r.dropRepeatedClusters(t)
	r.readKinds(t)
	r.readMemory(t)
	r.readNICs(t)
	t.PUs = pus(t, die)
	t.Doubts = r.doubts
	return t, nil
}

// pus is the view by CPU of what was found by group.
func pus(t *Topology, die map[int]*int) []PU {
	list := make([]PU, 0, len(t.CPUDirs))
	at := make(map[int]*PU, len(t.CPUDirs))
	for _, c := range t.CPUDirs {
		list = append(list, PU{CPU: c, Online: t.Online.Has(c), Allowed: t.Allowed.CPUs.Has(c), Die: die[c], Nodes: []int{}})
		at[c] = &list[len(list)-1]
	}
	for _, g := range t.Packages {
		for _, c := range g.CPUs {
			at[c].Package = g.ID
		}
	}
	for _, core := range t.Cores {
		for _, c := range core.CPUs {
			at[c].Core = core.ID
		}
	}
	for _, node := range t.Nodes {
		for _, c := range node.CPUs {
			at[c].Nodes = append(at[c].Nodes, node.ID)
		}
	}
	return list
}
