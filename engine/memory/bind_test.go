package memory

import "testing"

// TestNodesCountsEveryPage: pages touched are on some node, and those nobody
// touched are on none.
func TestNodesCountsEveryPage(t *testing.T) {
	const pages = 1500 // more than are asked about at once
	bytes, err := reserve((pages + 1) * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release(bytes) }()
	for i := range pages / 3 {
		bytes[i*pageSize] = 1
	}
	found, err := Nodes(bytes[:pages*pageSize])
	if err != nil {
		t.Skip("this kernel does not say where pages are: ", err)
	}
	touched, all := 0, 0
	for node, n := range found {
		if all += n; node >= 0 {
			touched += n
		}
	}
	if all != pages || touched < pages/3 {
		t.Errorf("%v: want %d pages, %d of them touched", found, pages, pages/3)
	}
	if !checked && touched > pages/2 { // mapped memory; the heap's pages may be there already
		t.Errorf("%v: %d pages were touched", found, pages/3)
	}
}

func TestBindRefuses(t *testing.T) {
	bytes, err := reserve(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release(bytes) }()
	for _, node := range []int{-2, -1, 1000, 1 << 20} {
		if Bind(bytes, node) == nil {
			t.Errorf("memory was bound to node %d", node)
		}
	}
}

// TestPoolOnANode binds a pool to the first node and finds all of it there.
func TestPoolOnANode(t *testing.T) {
	classes := smallClasses()
	arena, err := NewArena(classes.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Close()
	p, err := NewPool(arena, testPool, 0, classes, make(channel, classes.Slots()))
	if err != nil {
		t.Skip("this process may not bind memory: ", err)
	}
	found, err := p.Nodes()
	if err != nil {
		t.Skip("this kernel does not say where pages are: ", err)
	}
	if len(found) != 1 || found[0] != classes.Bytes()/pageSize {
		t.Errorf("a pool bound to node 0 is found on (node: pages) %v, want %d on node 0", found, classes.Bytes()/pageSize)
	}
}

// TestRegionIsZeroedAndGoes: as long as asked for, whatever the page, and
// refused on a node that is not there.
func TestRegionIsZeroedAndGoes(t *testing.T) {
	for _, size := range []int{1, 64, 4096, 100_000} {
		r, err := NewRegion(size, -1)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Bytes) != size || len(r.Refs()) != size/8 || len(r.Words()) != size/8 {
			t.Errorf("%d bytes: %d, %d slots, %d words", size, len(r.Bytes), len(r.Refs()), len(r.Words()))
		}
		for i, b := range r.Bytes {
			if b != 0 {
				t.Fatalf("byte %d of %d is %d", i, size, b)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewRegion(4096, 1000); err == nil {
		t.Error("a region on node 1000")
	}
}
