package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fullRoom is what a node has for its log, its streams and its replicas, whose
// segments are laid out whole: 64 MiB each.
const fullRoom = "size=640m"

// TestProofFullDisk takes the leader the room on its disk, under load: the others
// go on without it, it keeps what it has, and takes part again once there is room.
func TestProofFullDisk(t *testing.T) {
	clusterProof(t)
	f := layFleet(t)
	for _, n := range f.layout.Nodes {
		f.confine(n.Name)
	}
	f.launch(1000)
	at := f.leader()
	ballast := filepath.Join(f.dir, f.layout.Nodes[at].Name, "ballast")
	f.disrupt("leader's disk full", func() {
		if err := fill(ballast); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("filling a disk: %v", err)
		}
		f.until("the node says that it is full", patience, func() bool { return f.full(at) })
	}, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
	if f.full(at) {
		t.Error("there is room, and the node says there is none")
	}
	if t.Failed() {
		f.lament()
	}
	f.audit()
}

// confine gives a node a file system of its own.
func (f *fleet) confine(node string) {
	dir := filepath.Join(f.dir, node)
	config, err := os.ReadFile(filepath.Join(dir, "node.yaml"))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fullRoom); err != nil {
		f.t.Skipf("a file system that can be filled is not to be had (%v): run this as root", err)
	}
	f.t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(dir, "node.yaml"), config, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// fill writes until there is no room, and is why it ended.
func fill(name string) error {
	b, err := os.Create(name)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, size := range []int{1 << 20, 1 << 12} { // to the last page
		for err = nil; err == nil; {
			_, err = b.Write(make([]byte, size))
		}
	}
	return err
}

// full reports whether a node says that its disk is.
func (f *fleet) full(at int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	statuses, err := f.client.Statuses(ctx)
	if err != nil {
		return false
	}
	for _, s := range statuses {
		if s.Name == f.layout.Nodes[at].Name {
			return s.Full
		}
	}
	return false
}
