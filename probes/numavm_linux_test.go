package probes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/memory"
	"eventstreamcore/probes/place"
	"eventstreamcore/probes/topology"
)

// TestMain is the tests' usual beginning and, as process 1 of the guest that
// scripts/numa-vm boots, its init: it mounts what the tests read, runs them and
// every other test binary in the initramfs, says how it went, and switches off.
func TestMain(m *testing.M) {
	if os.Getpid() != 1 || os.Getenv("ESC_NUMA_VM") == "" {
		os.Exit(m.Run())
	}
	code := boot()
	if code == 0 {
		code = m.Run()
	}
	others, _ := filepath.Glob("/*.test")
	for _, binary := range others {
		c := exec.Command(binary, "-test.v", "-test.timeout=120s", "-test.run="+os.Getenv("ESC_NUMA_OTHERS"))
		c.Dir, c.Stdout, c.Stderr = "/", os.Stdout, os.Stdout
		if err := c.Run(); err != nil {
			fmt.Println(binary, err)
			code = 1
		}
	}
	fmt.Printf("numa-vm %s: exit %d\n", os.Getenv("ESC_NUMA_VM"), code)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func boot() (code int) {
	for _, m := range []struct{ kind, at string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"cgroup2", "/sys/fs/cgroup"}} {
		if err := os.MkdirAll(m.at, 0o755); err != nil && m.kind != "cgroup2" {
			fmt.Println(err)
			return 1
		}
		if err := syscall.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && m.kind != "cgroup2" && err != syscall.EBUSY {
			fmt.Println("mounting", m.at, err)
			return 1
		}
	}
	return 0
}

// guest is the variant that is booted; the tests below run nowhere else.
func guest(t *testing.T, variants ...string) *topology.Topology {
	t.Helper()
	if v := os.Getenv("ESC_NUMA_VM"); !slices.Contains(variants, v) {
		t.Skip("runs in the guest of scripts/numa-vm: ", variants)
	}
	m, err := topology.Read(topology.Root("/"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// everyGuest names all variants.
var everyGuest = []string{"two", "cpuless", "memless", "isolcpus"}

// TestNUMATopology holds each guest to what QEMU was told to make.
func TestNUMATopology(t *testing.T) {
	m := guest(t, everyGuest...)
	wants := map[string]struct{ cpus, memory, isolated string }{
		"two":      {"0-1 2-3", "0-1", ""},
		"cpuless":  {"0-1 2-3 -", "0-2", ""},
		"memless":  {"0-1 2-3", "0", ""},
		"isolcpus": {"0-1 2-3", "0-1", "2-3"},
	}
	want := wants[os.Getenv("ESC_NUMA_VM")]
	var cpus []string
	for _, n := range m.Nodes {
		if len(n.CPUs) == 0 {
			cpus = append(cpus, "-")
		} else {
			cpus = append(cpus, n.CPUs.String())
		}
	}
	if got := strings.Join(cpus, " "); got != want.cpus || m.MemoryNodes().String() != want.memory {
		t.Errorf("CPUs by node %q, memory on %v; want %q and %q", got, m.MemoryNodes(), want.cpus, want.memory)
	}
	if m.Isolated == nil || m.Isolated.String() != want.isolated || m.Usable().String() != "0-3" {
		t.Errorf("isolated %v, usable %v (affinity %v); want %q and 0-3", m.Isolated, m.Usable(), m.Affinity, want.isolated)
	}
	for _, n := range m.Nodes {
		for other, d := range n.Distances {
			if self := other == fmt.Sprint(n.ID); self != (d == 10) {
				t.Errorf("distance of node %d to %s is %d", n.ID, other, d)
			}
		}
	}
	if len(m.Doubts) > 0 {
		t.Errorf("doubts: %q", m.Doubts)
	}
}

// TestNUMABinding binds memory to every node that has any, reads it back, and
// sees it refused where there is none.
func TestNUMABinding(t *testing.T) {
	m := guest(t, everyGuest...)
	for _, n := range m.Nodes {
		p, err := newPages(4<<20, n.ID)
		if has := m.MemoryNodes().Has(n.ID); has != (err == nil) {
			t.Errorf("node %d, with memory %v: %v", n.ID, has, err)
		}
		if err != nil {
			continue
		}
		for _, other := range m.MemoryNodes() {
			if err := verifyNode(p.bytes, other); (err == nil) != (other == n.ID) {
				t.Errorf("pages of node %d looked for on node %d: %v", n.ID, other, err)
			}
		}
		if err := p.release(); err != nil {
			t.Error(err)
		}
	}
}

// TestNUMAMigration moves pages that are in use from node to node.
func TestNUMAMigration(t *testing.T) {
	m := guest(t, "two", "cpuless", "isolcpus")
	nodes := m.MemoryNodes()
	p, err := newPages(4<<20, nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	for i := range p.bytes {
		p.bytes[i] = byte(i)
	}
	for _, to := range append(nodes[1:], nodes[0]) {
		if err := memory.Bind(p.bytes, to); err != nil {
			t.Fatal(err)
		}
		if err := verifyNode(p.bytes, to); err != nil {
			t.Error(err)
		}
	}
	for i := range p.bytes {
		if p.bytes[i] != byte(i) {
			t.Fatalf("byte %d changed on the way", i)
		}
	}
}

// TestNUMAPools takes the engine's own pools on each node and reads back where
// their slots are.
func TestNUMAPools(t *testing.T) {
	m := guest(t, everyGuest...)
	classes := memory.DefaultClasses()
	for i := range classes {
		classes[i].Count = min(classes[i].Count, 16)
	}
	for id, node := range m.MemoryNodes() {
		arena, err := memory.NewArena(2 * classes.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		pool, err := memory.NewPool(arena, id, node, classes, nil)
		if err != nil {
			t.Fatal(err)
		}
		pages, err := pool.Nodes()
		if err != nil {
			t.Fatal(err)
		}
		placed := Placement{Slabs: []SlabPlace{{Name: "pool", Pages: pages, Want: &node}}}
		if err := placed.Mismatch(false); err != nil || pages[node] == 0 {
			t.Errorf("node %d: %v, %v", node, pages, err)
		}
		wrong := node + 1
		placed.Slabs[0].Want = &wrong
		if placed.Mismatch(false) == nil {
			t.Error("a pool on the wrong node is not an error")
		}
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNUMAPlan plans on the guest, starts pinned threads as planned, touches
// memory as planned, and reads everything back.
func TestNUMAPlan(t *testing.T) {
	m := guest(t, everyGuest...)
	p, err := place.Choose(m, topology.Matrix{}, place.Roles())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", p)
	var cpus []int
	var roles []string
	for _, th := range p.Threads {
		if th.Node == nil || !m.MemoryNodes().Has(*th.Node) {
			t.Errorf("%s has no memory: %+v", th.Name, th)
		}
		if th.Name != string(place.Housekeeping) {
			cpus, roles = append(cpus, th.CPU), append(roles, th.Name)
		}
	}
	if os.Getenv("ESC_NUMA_VM") == "isolcpus" && !m.Isolated.Has(cpus[0]) {
		t.Errorf("%s is not on an isolated CPU: %+v", roles[0], p)
	}
	if os.Getenv("ESC_NUMA_VM") == "memless" {
		for _, c := range cpus[:1] {
			if c > 1 {
				t.Errorf("%s is on CPU %d, whose node has no memory", roles[0], c)
			}
		}
	}
	holdPlan(t, p, cpus, roles)
}

// holdPlan keeps a thread on each CPU while the placement is read back.
func holdPlan(t *testing.T, p place.Plan, cpus []int, roles []string) {
	t.Helper()
	ready, stop := make(chan Pinned), make(chan bool)
	for i, c := range cpus {
		go func() {
			if err := cpu.Pin(c); err != nil {
				t.Error(err)
			}
			ready <- Pinned{Role: roles[i], ID: cpu.ThreadID(), CPU: c}
			<-stop
		}()
	}
	var pinned []Pinned
	keep := map[int]bool{}
	for range cpus {
		one := <-ready
		pinned, keep[one.ID] = append(pinned, one), true
	}
	defer close(stop)
	allowed, err := cpu.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cpu.Confine(keep, allowed...) }() // back, for the tests that follow
	if err := cpu.Confine(keep, p.Housekeeping...); err != nil {
		t.Fatal(err)
	}
	var slabs []SlabPlace
	for _, th := range p.Threads {
		slab, err := newPages(1<<20, *th.Node)
		if err != nil {
			t.Fatal(err)
		}
		defer slab.release()
		pages, err := memory.Nodes(slab.bytes)
		if err != nil {
			t.Fatal(err)
		}
		slabs = append(slabs, SlabPlace{Name: th.Name, Pages: pages, Want: th.Node})
	}
	var placed Placement
	for range 20 { // the runtime may have started a thread while the others were confined
		if placed, err = ReadPlacement(pinned, slabs...); err != nil {
			t.Fatal(err)
		}
		if err = placed.Mismatch(false); err == nil {
			break
		}
		if confineErr := cpu.Confine(keep, p.Housekeeping...); confineErr != nil {
			t.Fatal(confineErr)
		}
	}
	if err != nil {
		t.Error(err)
	}
	pinned[0].CPU ^= 1
	if placed, err = ReadPlacement(pinned, slabs...); err != nil || placed.Mismatch(false) == nil {
		t.Errorf("a thread on the wrong CPU is not an error (%v)", err)
	}
}

// TestNUMALines throws a line between nodes that lives on each node in turn.
func TestNUMALines(t *testing.T) {
	m := guest(t, "two", "cpuless")
	clock := cpu.NewClock(1e9) // the guest's time means nothing: it is emulated
	for _, node := range m.MemoryNodes() {
		if f, err := lineTransferOn(clock, 0, 2, node, brief); err != nil || f.N < samplesMin {
			t.Errorf("node %d: %+v, %v", node, f, err)
		}
	}
	views := Views(m, m.Usable())
	if len(views) < 2*len(m.MemoryNodes()) {
		t.Errorf("%d views of %d nodes", len(views), len(m.MemoryNodes()))
	}
}
