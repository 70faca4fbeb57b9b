package probes

import (
	"slices"
	"strings"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

func ptr(n int) *int { return &n }

func TestMismatch(t *testing.T) {
	good := func() Placement {
		return Placement{
			Threads: []ThreadPlace{
				{ID: 1, Name: "esc", Allowed: topology.List{0}, CPU: 0},
				{ID: 2, Name: "ingest", Allowed: topology.List{2}, CPU: 2, Want: ptr(2)},
				{ID: 3, Name: "store", Allowed: topology.List{3}, CPU: -1, Want: ptr(3)},
			},
			Slabs: []SlabPlace{{Name: "pool 0", Pages: map[int]int{1: 50, -1: 7}, Want: ptr(1)}, {Name: "any", Pages: map[int]int{0: 1, 1: 1}}},
		}
	}
	if err := good().Mismatch(false); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		name  string
		spoil func(*Placement)
		says  string
	}{
		{"a wide mask", func(p *Placement) { p.Threads[1].Allowed = topology.List{2, 3} }, "ingest (thread 2) is planned on CPU 2 and may run on 2-3"},
		{"another CPU", func(p *Placement) { p.Threads[1].CPU = 3 }, "ran on 3"},
		{"an intruder", func(p *Placement) { p.Threads[0].Allowed = topology.List{0, 3} }, "esc (thread 1) may run on CPU 3, which is store's"},
		{"a far page", func(p *Placement) { p.Slabs[0].Pages[0] = 2 }, "pool 0 is planned on node 1 and has 2 pages on node 0"},
		{"two at once", func(p *Placement) { p.Threads[1].CPU = 3; p.Slabs[0].Pages[0] = 2 }, "; slab pool 0"},
	} {
		p := good()
		test.spoil(&p)
		if err := p.Mismatch(false); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
	p := good()
	p.Threads[0].Allowed = topology.List{0, 3}
	if err := p.Mismatch(true); err != nil {
		t.Errorf("on a machine too small: %v", err)
	}
}

func TestPlacementLines(t *testing.T) {
	p := Placement{
		Threads: []ThreadPlace{
			{ID: 1, Name: "esc", Allowed: topology.List{0, 1}, CPU: 1}, {ID: 4, Name: "esc", Allowed: topology.List{0, 1}, CPU: 0},
			{ID: 2, Name: "ingest", Allowed: topology.List{2}, CPU: 2, Want: ptr(2)},
			{ID: 3, Name: "esc", Allowed: topology.List{3}, CPU: -1},
		},
		Slabs:  []SlabPlace{{Name: "pool 0", Pages: map[int]int{1: 50, -1: 7}, Want: ptr(1)}, {Name: "pool 1", Pages: map[int]int{0: 3}}},
		Unread: []string{"pool 2: move_pages: operation not permitted"},
	}
	want := []string{
		"ingest (thread 2): planned on CPU 2, may run on 2, ran on 2",
		"2 other thread(s): may run on 0-1, ran on 0-1",
		"1 other thread(s): may run on 3, ran on unknown CPUs",
		"pool 0: planned on node 1, 7 pages not touched yet, 50 pages on node 1",
		"pool 1: planned on any node, 3 pages on node 0",
		"unknown: pool 2: move_pages: operation not permitted",
	}
	if got := p.Lines(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// TestPlacementIsReadBack pins a thread, and looks for it.
func TestPlacementIsReadBack(t *testing.T) {
	_, cpus := calibrated(t)
	on := cpus[len(cpus)-1]
	err := pinned(on, func() {
		self := Pinned{Role: "test", ID: cpu.ThreadID(), CPU: on}
		p, err := ReadPlacement([]Pinned{self})
		if err != nil {
			t.Error(err)
			return
		}
		found := false
		for _, th := range p.Threads {
			if th.Want != nil {
				found = th.Name == "test" && th.Allowed.String() == topology.List{on}.String() && th.CPU == on
			}
		}
		if !found {
			t.Errorf("the pinned thread is not found where it is: %+v", p.Threads)
		}
		if err := p.Mismatch(true); err != nil {
			t.Error(err)
		}
		if _, err := ReadPlacement([]Pinned{{Role: "gone", ID: 1 << 30, CPU: on}}); err == nil {
			t.Error("a thread that is not there: no error")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
