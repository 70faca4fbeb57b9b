package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestThisMachine(t *testing.T) {
	got, err := Read(Root("/"))
	if errors.Is(err, ErrNoMachine) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	invariants(t, got)
	t.Logf("online %v, allowed %v, %d cores, %d caches, doubts %q", got.Online, got.Allowed.CPUs, len(got.Cores), len(got.Caches), got.Doubts)
}

// TestRootReadsWhole reads a sysctl of several digits and this process's status
// both ways.
func TestRootReadsWhole(t *testing.T) {
	root := Root("/")
	for _, name := range []string{"proc/sys/kernel/sched_rt_runtime_us", "proc/sys/kernel/pid_max", "proc/sys/kernel/ostype"} {
		want, err := os.ReadFile("/" + name)
		if err != nil {
			continue
		}
		got, err := fs.ReadFile(root, name)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if text, ok := newReader(root).raw(name); !ok || text != string(want) {
			t.Errorf("%s read small: %q, want %q", name, text, want)
		}
	}
}

// invariants holds what is true of every machine, however garbled its tree.
func invariants(t *testing.T, m *Topology) {
	t.Helper()
	once := func(what string, sets []List) {
		seen := map[int]bool{}
		for _, set := range sets {
			if len(set) == 0 || !slices.IsSorted(set) {
				t.Errorf("%s: a set is empty or not in order: %v", what, set)
			}
			for _, c := range set {
				if seen[c] || !m.Online.Has(c) {
					t.Errorf("%s: CPU %d twice, or not online", what, c)
				}
				seen[c] = true
			}
		}
	}
	groups := func(list []Group) (sets []List) {
		for _, g := range list {
			sets = append(sets, g.CPUs)
		}
		return sets
	}
	once("packages", groups(m.Packages))
	once("dies", groups(m.Dies))
	once("clusters", groups(m.Clusters))
	var cores, kinds []List
	for _, c := range m.Cores {
		cores = append(cores, c.CPUs)
	}
	for _, k := range m.Kinds {
		kinds = append(kinds, k.CPUs)
	}
	once("cores", cores)
	once("kinds", kinds)
	caches := map[string][]List{}
	for _, c := range m.Caches {
		key := fmt.Sprint(c.Level, c.Type)
		caches[key] = append(caches[key], c.CPUs)
	}
	for key, sets := range caches {
		once("cache "+key, sets)
	}
	if len(m.Online) == 0 || len(m.Allowed.CPUs) == 0 || len(m.Usable()) == 0 || len(m.PUs) != len(m.CPUDirs) {
		t.Errorf("online %v, allowed %v, usable %v, %d pus of %d", m.Online, m.Allowed.CPUs, m.Usable(), len(m.PUs), len(m.CPUDirs))
	}
	if len(m.Usable().Less(m.Allowed.CPUs)) > 0 || len(m.Allowed.CPUs.Less(m.Online)) > 0 {
		t.Errorf("usable %v of allowed %v of online %v", m.Usable(), m.Allowed.CPUs, m.Online)
	}
}

func TestNoMachine(t *testing.T) {
	with := func(files ...string) *captured {
		root := newCaptured()
		for i := 0; i < len(files); i += 2 {
			root.put(files[i], files[i+1])
		}
		return root
	}
	for _, test := range []struct {
		name string
		root *captured
		says string
	}{
		{"empty", newCaptured(), "sys/devices/system/cpu"},
		{"other files", with("etc/passwd", "root"), "sys/devices/system/cpu"},
		{"garbage", with(cpuRoot+"/online", "\xff\xfe??"), "online"},
		{"a range beyond reason", with(cpuRoot+"/online", "0-4294967295"), "16383"},
		{"all off", with(cpuRoot+"/cpu0/online", "0"), "no CPU is online"},
		{"online without folders", with(cpuRoot+"/cpu7/online", "1", cpuRoot+"/online", "0-3"), "no CPU is online"},
	} {
		_, err := Read(test.root)
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", test.name, err, test.says)
		}
	}
}

func cpuFile(c int, name string) string { return fmt.Sprintf("%s/cpu%d/%s", cpuRoot, c, name) }

// quirks are what odd machines taught: files added to a machine of four CPUs of
// which only the numbers are known.
var quirks = []struct {
	name  string
	files []string
	show  func(*Topology) any
	want  string
}{
	{"only online", nil, func(m *Topology) any {
		return fmt.Sprint(m.Online, len(m.Cores), m.SMT == nil, len(m.Nodes), m.Allowed.Nodes == nil)
	}, "0-3 0 true 0 true"},
	{"cores by id", []string{cpuFile(0, "topology/core_id"), "0", cpuFile(1, "topology/core_id"), "0", cpuFile(2, "topology/core_id"), "1"},
		func(m *Topology) any { return fmt.Sprint(m.Cores[0].CPUs, m.Cores[1].CPUs, len(m.Cores), *m.SMT) }, "0-1 2 2 2"},
	{"ids that repeat across packages", []string{
		cpuFile(0, "topology/core_id"), "0", cpuFile(1, "topology/core_id"), "0",
		cpuFile(0, "topology/physical_package_id"), "0", cpuFile(1, "topology/physical_package_id"), "1"},
		func(m *Topology) any { return len(m.Cores) }, "2"},
	{"siblings that are offline, and a CPU without itself", []string{
		cpuFile(0, "topology/thread_siblings_list"), "0,9", cpuFile(1, "topology/thread_siblings_list"), "2"},
		func(m *Topology) any { return fmt.Sprint(m.Cores[0].CPUs, m.Cores[1].CPUs, len(m.Doubts)) }, "0 1 1"},
	{"siblings that disagree", []string{
		cpuFile(0, "topology/thread_siblings_list"), "0-1", cpuFile(1, "topology/thread_siblings_list"), "1"},
		func(m *Topology) any { return fmt.Sprint(m.Cores[0].CPUs, len(m.Cores), len(m.Doubts)) }, "0-1 1 1"},
	{"package id -1", []string{cpuFile(0, "topology/physical_package_id"), "-1", cpuFile(0, "topology/core_siblings"), "f"},
		func(m *Topology) any { return fmt.Sprint(m.Packages[0].CPUs, m.Packages[0].ID == nil) }, "0-3 true"},
	{"mask before stale list", []string{cpuFile(0, "cache/index0/level"), "1", cpuFile(0, "cache/index0/type"), "Data",
		cpuFile(0, "cache/index0/shared_cpu_map"), "00000003", cpuFile(0, "cache/index0/shared_cpu_list"), "0"},
		func(m *Topology) any { return m.Caches[0].CPUs }, "0-1"},
	{"unknown size, fully associative", []string{cpuFile(0, "cache/index3/level"), "3", cpuFile(0, "cache/index3/type"), "Unified",
		cpuFile(0, "cache/index3/size"), "0K", cpuFile(0, "cache/index3/ways_of_associativity"), "0"},
		func(m *Topology) any {
			return fmt.Sprint(m.Caches[0].SizeBytes == nil, m.Caches[0].Ways == nil, m.Caches[0].CPUs)
		}, "true true 0"},
	{"nodes by link alone", []string{nodeRoot + "/node0/cpu0", "", nodeRoot + "/node0/cpu1", "", nodeRoot + "/node5/cpu2", ""},
		func(m *Topology) any { return fmt.Sprint(m.Nodes[0].CPUs, m.Nodes[1].CPUs, m.Allowed.Nodes) }, "0-1 2 0,5"},
	{"a short row of distances", []string{nodeRoot + "/node0/distance", "10 20", nodeRoot + "/node0/cpulist", "0-3"},
		func(m *Topology) any { return fmt.Sprint(m.Nodes[0].Distances == nil, len(m.Doubts)) }, "true 1"},
	{"a cpuset of another machine", []string{"proc/self/cgroup", "4:cpuset:/x\n", "sys/fs/cgroup/cpuset/x/cpuset.cpus", "64-127"},
		func(m *Topology) any { return fmt.Sprint(m.Allowed.CPUs, len(m.Doubts)) }, "0-3 1"},
	{"a v2 cpuset of a parent", []string{"proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/cpuset.cpus.effective", "1-2"},
		func(m *Topology) any { return m.Allowed.CPUs }, "1-2"},
	{"affinity without a cpuset", []string{"proc/self/status", "Cpus_allowed_list:\t2-3\n"},
		func(m *Topology) any { return fmt.Sprint(m.Allowed.CPUs, m.Usable()) }, "2-3 2-3"},
	{"affinity left by isolcpus", []string{"proc/self/status", "Cpus_allowed_list:\t0-1\n", cpuRoot + "/isolated", "2-3"},
		func(m *Topology) any { return fmt.Sprint(m.Allowed.CPUs, m.Usable(), m.Affinity) }, "0-3 0-3 0-1"},
	{"taskset within a cpuset", []string{"proc/self/status", "Cpus_allowed_list:\t1\n", "proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpuset.cpus.effective", "0-3"},
		func(m *Topology) any { return fmt.Sprint(m.Allowed.CPUs, m.Usable()) }, "0-3 1"},
	{"a v2 cpuset mounted elsewhere", []string{"proc/self/cgroup", "0::/a\n", "proc/mounts", "none /cg2 cgroup2 rw 0 0\n", "cg2/a/cpuset.cpus.effective", "0,3"},
		func(m *Topology) any { return m.Allowed.CPUs }, "0,3"},
	{"a base frequency by CPPC", []string{cpuFile(0, "acpi_cppc/nominal_freq"), "3600"},
		func(m *Topology) any { return fmt.Sprint(m.Kinds) }, "[{0 map[FrequencyBaseMHz:3600]}]"},
	{"memory in front of memory", []string{nodeRoot + "/node0/memory_side_cache/index1/size", "1048576", nodeRoot + "/node0/cpulist", "0-3"},
		func(m *Topology) any { return fmt.Sprint(*m.MemoryCaches[0].SizeBytes, m.MemoryCaches[0].Nodes) }, "1048576 0"},
	{"a NIC on a node, and one without hardware", []string{"sys/class/net/eth0/device/numa_node", "1", "sys/class/net/eth0/operstate", "up", "sys/class/net/lo/mtu", "65536"},
		func(m *Topology) any { return fmt.Sprint(len(m.NICs), m.NICs[0].Name, *m.NICs[0].Node) }, "1eth01"},
	{"a NIC that knows no node", []string{"sys/class/net/eth0/device/numa_node", "-1"},
		func(m *Topology) any { return m.NICs[0].Node == nil }, "true"},
	{"hybrid by perf's folders", []string{"sys/devices/cpu_core/cpus", "0-1", "sys/devices/cpu_atom/cpus", "2-3"},
		func(m *Topology) any { return fmt.Sprint(m.Kinds) }, "[{2-3 map[CoreType:IntelAtom]} {0-1 map[CoreType:IntelCore]}]"},
}

func TestQuirks(t *testing.T) {
	for _, test := range quirks {
		t.Run(test.name, func(t *testing.T) {
			root := newCaptured()
			root.put(cpuRoot+"/online", "0-3\n\x00")
			for c := range 4 {
				root.put(cpuFile(c, "online"), "1")
			}
			for i := 0; i < len(test.files); i += 2 {
				root.put(test.files[i], test.files[i+1])
			}
			m, err := Read(root)
			if err != nil {
				t.Fatal(err)
			}
			invariants(t, m)
			if got := fmt.Sprint(test.show(m)); got != test.want {
				t.Errorf("%s, want %s; doubts %q", got, test.want, m.Doubts)
			}
		})
	}
}

func newCaptured() *captured { return &captured{children: map[string]*captured{}} }

func (t *captured) put(at, content string) { t.add(at, []byte(content), "") }

// TestWithoutSys reads machines of which only /proc/cpuinfo was captured.
func TestWithoutSys(t *testing.T) {
	for _, test := range []struct{ name, cpuinfo, want string }{
		{"x86", "processor : 0\nphysical id : 0\ncore id : 0\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n\nprocessor : 4\nphysical id : 3\ncore id : 0\n", "0-1,4 packages 2 cores [0-1 4] smt 2"},
		{"power", "processor\t: 0\ncpu\t\t: POWER5\n\nprocessor\t: 2\n", "0,2 packages 0 cores [] smt null"},
		{"s390", "vendor_id : IBM/S390\n# processors : 2\nprocessor 0: version = 00, identification = 1\nprocessor 1: version = 00\n", "0-1 packages 0 cores [] smt null"},
	} {
		root := newCaptured()
		root.put("proc/cpuinfo", test.cpuinfo)
		m, err := Read(root)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		invariants(t, m)
		cores := []string{}
		for _, c := range m.Cores {
			cores = append(cores, c.CPUs.String())
		}
		if got := fmt.Sprintf("%v packages %d cores %v smt %s", m.Online, len(m.Packages), cores, idText(m.SMT)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// files lists every file of the tree.
func (t *captured) files(visit func(*captured)) {
	for _, c := range t.children {
		if c.children != nil {
			c.files(visit)
		} else {
			visit(c)
		}
	}
}

// TestGarbled damages captured guests at random: Read must return an error of
// one line or a machine that holds together, and never panic or take long.
func TestGarbled(t *testing.T) {
	junk := []string{"", "\x00", "(null)", "-1", "0-4294967295", "999999999999", "zz", "3,3,3", "7-2", "ffffffff", "0-63", "\n\n0\n"}
	guests := []string{"qemu-2p2d2c2t-4n", "qemu-isolated-offline", "qemu-memless-node", "qemu-cpuless-hmat"}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		root := capture(t, "testdata/guests/"+guests[seed%4]+"/tree.tar.gz")
		root.files(func(f *captured) {
			if random.IntN(12) == 0 {
				f.content = []byte(junk[random.IntN(len(junk))])
			}
		})
		m, err := Read(root)
		if err == nil {
			invariants(t, m)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// large is a machine of n CPUs in cores of two threads, with four caches each.
func large(n int) *captured {
	root := newCaptured()
	root.put(cpuRoot+"/online", fmt.Sprintf("0-%d", n-1))
	mask := func(from, count int) string {
		words := make([]string, n/32)
		for i := range words {
			w := uint32(0)
			for c := from; c < from+count; c++ {
				if c/32 == i {
					w |= 1 << (c % 32)
				}
			}
			words[len(words)-1-i] = fmt.Sprintf("%08x", w)
		}
		return strings.Join(words, ",")
	}
	for c := range n {
		core, l3, node := mask(c&^1, 2), mask(c&^15, 16), c/256
		dir := fmt.Sprintf("%s/cpu%d/", cpuRoot, c)
		for name, text := range map[string]string{"core_id": fmt.Sprint(c / 2), "physical_package_id": fmt.Sprint(node), "thread_siblings": core, "core_siblings": mask(node*256, 256)} {
			root.put(dir+"topology/"+name, text)
		}
		for i, shared := range []string{core, core, core, l3} {
			at := fmt.Sprintf("%scache/index%d/", dir, i)
			root.put(at+"level", fmt.Sprint(max(1, i)))
			root.put(at+"type", []string{"Data", "Instruction", "Unified", "Unified"}[i])
			root.put(at+"size", "32K")
			root.put(at+"shared_cpu_map", shared)
		}
		root.put(fmt.Sprintf("%s/node%d/cpu%d", nodeRoot, node, c), "")
	}
	return root
}

func TestThousandsOfCPUs(t *testing.T) {
	const n = 2048
	m, err := Read(large(n))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Online) != n || len(m.Cores) != n/2 || len(m.Packages) != n/256 || len(m.Nodes) != n/256 || len(m.Caches) != 3*n/2+n/16 || len(m.Doubts) > 0 {
		t.Errorf("%d CPUs, %d cores, %d packages, %d nodes, %d caches, doubts %q", len(m.Online), len(m.Cores), len(m.Packages), len(m.Nodes), len(m.Caches), m.Doubts)
	}
}

// BenchmarkRead4096 reads from memory; the open, read and close of a hundred
// thousand files in sysfs come on top.
func BenchmarkRead4096(b *testing.B) {
	root := large(4096)
	for b.Loop() {
		if _, err := Read(root); err != nil {
			b.Fatal(err)
		}
	}
}
