// Package topology reads what the kernel says of the machine's shape: which
// CPUs there are and may be used, what they share, which memory is near.
//
// It takes the position that a captured tree and a live machine are read by the
// same code: Read takes an fs.FS whose root holds sys and proc. It measures
// nothing and asks no instruction; where a file is missing the answer is null,
// never a guess.
package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Topology is one machine. CPUs and nodes go by the kernel's numbers.
type Topology struct {
	Online  List    `json:"online"`
	Allowed Allowed `json:"allowed"`
	Caches  []Cache `json:"caches"` // by level, type and first CPU
	Nodes   []Node  `json:"nodes"`  // by id; none where the kernel has no NUMA
}

// Allowed is what this process may use: its affinity and its cpuset.
type Allowed struct {
	CPUs  List `json:"cpus"`
	Nodes List `json:"nodes"`
}

// Cache is one instance of a cache.
type Cache struct {
	Level     int    `json:"level"`
	Type      string `json:"type"`       // Data, Instruction or Unified
	SizeBytes *int64 `json:"size_bytes"` // nil is unknown
	CPUs      List   `json:"cpus"`       // online CPUs that share it
}

// Node is one NUMA node.
type Node struct {
	ID   int  `json:"id"`
	CPUs List `json:"cpus"` // online; none on a memory-only node
}

// ErrNoCPUs says that the root describes no machine.
var ErrNoCPUs = errors.New("no online CPUs are described: the root must hold sys/devices/system/cpu")

// Read reads the machine described below fsys, os.DirFS("/") for this one.
func Read(fsys fs.FS) (*Topology, error) {
	t := &Topology{}
	text, err := fs.ReadFile(fsys, "sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrNoCPUs, err)
	}
	if t.Online, err = ParseList(string(text)); err != nil {
		return nil, fmt.Errorf("sys/devices/system/cpu/online: %w", err)
	}
	if len(t.Online) == 0 {
		return nil, ErrNoCPUs
	}
	t.Allowed.CPUs = t.Online
	if own, ok := statusList(fsys, "Cpus_allowed_list"); ok {
		t.Allowed.CPUs = t.Online.And(own)
	}
	return t, nil
}

// statusList is a list of this process's status.
func statusList(fsys fs.FS, key string) (List, bool) {
	text, err := fs.ReadFile(fsys, "proc/self/status")
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, key+":"); found {
			list, err := ParseList(value)
			return list, err == nil
		}
	}
	return nil, false
}
