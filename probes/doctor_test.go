package probes

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"eventstreamcore/probes/topology"
)

func TestDoctorOfThisMachine(t *testing.T) {
	clock, cpus := calibrated(t)
	m, err := topology.Read(topology.Root("/"))
	if err != nil {
		t.Skip(err)
	}
	f := Doctor(clock, os.DirFS("/"), m, cpus, t.TempDir(), 20*time.Millisecond)
	seen := map[string]bool{}
	for _, c := range f.Checks {
		if c.Name == "" || c.Value == "" || c.Source == "" || c.Why == "" || c.Verdict == "" || seen[c.Name] {
			t.Errorf("incomplete, or twice: %+v", c)
		}
		if (c.Mend == "") && c.Undo != "" {
			t.Errorf("an undoing of nothing: %+v", c)
		}
		seen[c.Name] = true
		t.Logf("%-8s %-22s %s", c.Verdict, c.Name, c.Value)
	}
}

// facts are files that make one check say one thing.
var facts = []struct {
	check   string
	files   []string
	verdict Verdict
	value   string // within
}{
	{"tsc", []string{"proc/cpuinfo", "processor : 0\nflags : fpu constant_tsc nonstop_tsc\n"}, OK, "constant"},
	{"tsc", []string{"proc/cpuinfo", "flags : fpu constant_tsc\n"}, Bad, "nonstop"},
	{"tsc", []string{"proc/cpuinfo", "Features : fp asimd\n"}, Unknown, "x86"},
	{"hypervisor", []string{"proc/cpuinfo", "flags : fpu hypervisor\n"}, Warn, "guest"},
	{"hypervisor", []string{"proc/cpuinfo", "flags : fpu\n"}, OK, "none"},
	{"clocksource", []string{"sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"}, OK, "tsc"},
	{"clocksource", []string{"sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"}, Bad, "hpet"},
	{"clocksource", []string{"sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock"}, Warn, "kvm"},
	{"steal", []string{"proc/stat", "cpu 100 0 100 9000 0 0 0 300 0 0\n"}, Warn, "3.16"},
	{"steal", []string{"proc/stat", "cpu 100 0 100 9000 0 0 0 0 0 0\n"}, OK, "0.00"},
	{"steal", []string{"proc/stat", "cpu 1 2\n"}, Unknown, "column"},
	{"cpu pressure", []string{"proc/pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\n"}, Warn, "12.50"},
	{"cpu pressure", []string{"proc/pressure/cpu", "some avg10=0.10 avg60=1.00\n"}, OK, "0.10"},
	{"cpu pressure", []string{"proc/pressure/cpu", "garbage"}, Unknown, "understood"},
	{"governor", []string{cpuDir + "/cpu0/cpufreq/scaling_governor", "performance\n", cpuDir + "/cpu1/cpufreq/scaling_governor", "powersave\n"}, Warn, "powersave (CPU 1)"},
	{"governor", []string{cpuDir + "/cpu0/cpufreq/scaling_governor", "performance\n", cpuDir + "/cpu1/cpufreq/scaling_governor", "performance\n"}, OK, "performance"},
	{"boost", []string{cpuDir + "/cpufreq/boost", "1\n"}, Warn, "on"},
	{"boost", []string{cpuDir + "/intel_pstate/no_turbo", "1\n"}, OK, "off"},
	{"thermal throttling", []string{cpuDir + "/cpu0/thermal_throttle/core_throttle_count", "17"}, Warn, "17"},
	{"idle states", []string{cpuDir + "/cpu0/cpuidle/state2/latency", "133", cpuDir + "/cpu0/cpuidle/state2/name", "C6"}, Warn, "C6 wakes in 133 us"},
	{"idle states", []string{cpuDir + "/cpu0/cpuidle/state2/latency", "133", cpuDir + "/cpu0/cpuidle/state2/disable", "1", cpuDir + "/cpu0/cpuidle/state0/latency", "0"}, OK, "none"},
	{"idle states", []string{cpuDir + "/cpu0/cpuidle/state2/latency", "133", "dev/cpu_dma_latency", "\x00\x00\x00\x00"}, OK, "held at 0 us"},
	{"idle states", []string{cpuDir + "/cpu0/cpuidle/state2/latency", "133", "dev/cpu_dma_latency", "\x00\x94\x35\x77"}, Warn, "133"},
	{"smt siblings", []string{cpuDir + "/cpu0/topology/thread_siblings_list", "0,16"}, Warn, "0,16"},
	{"smt siblings", []string{cpuDir + "/cpu0/topology/thread_siblings_list", "0", cpuDir + "/cpu1/topology/thread_siblings_list", "1"}, OK, "alone"},
	{"isolated", []string{cpuDir + "/isolated", "0-3"}, OK, "0-3"},
	{"isolated", []string{cpuDir + "/isolated", "1-3"}, Warn, "without CPU 0"},
	{"nohz_full", []string{cpuDir + "/nohz_full", "(null)"}, Warn, "without CPU 0"},
	{"irq affinity", []string{"proc/irq/24/effective_affinity_list", "1", "proc/irq/25/smp_affinity_list", "2-3"}, Warn, "1 may come to these CPUs: 24"},
	{"irq affinity", []string{"proc/irq/24/effective_affinity_list", "2-3"}, OK, "none"},
	{"irqbalance", []string{"proc/12/comm", "irqbalance\n"}, Warn, "process 12"},
	{"irqbalance", []string{"proc/12/comm", "bash\n"}, OK, "does not"},
	{"nmi_watchdog", []string{"proc/sys/kernel/nmi_watchdog", "1\n"}, Warn, "1"},
	{"nmi_watchdog", []string{"proc/sys/kernel/ostype", "Linux"}, OK, "not built in"},
	{"numa_balancing", []string{"proc/sys/kernel/numa_balancing", "0"}, OK, "0"},
	{"same-page merging", []string{"sys/kernel/mm/ksm/run", "1"}, Warn, "1"},
	{"transparent huge pages", []string{"sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"}, Warn, "always"},
	{"transparent huge pages", []string{"sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"}, OK, "madvise"},
	{"transparent huge pages", []string{"sys/kernel/mm/transparent_hugepage/enabled", "always"}, Unknown, "understood"},
	{"swap", []string{"proc/swaps", "Filename Type Size\n/dev/sda2 partition 1\n"}, Warn, "1 area"},
	{"swap", []string{"proc/swaps", "Filename Type Size\n"}, OK, "none"},
	{"locked memory", []string{"proc/self/limits", "Max locked memory         8388608   8388608  bytes\n"}, Warn, "8 MiB"},
	{"locked memory", []string{"proc/self/limits", "Max locked memory  unlimited unlimited bytes\n"}, OK, "unlimited"},
	{"cpu quota", []string{"proc/self/cgroup", "0::/a/b", "sys/fs/cgroup/a/cpu.max", "150000 100000"}, Bad, "1.5 CPUs"},
	{"cpu quota", []string{"proc/self/cgroup", "0::/a", "sys/fs/cgroup/a/cpu.max", "400000 100000"}, Warn, "4 CPUs"},
	{"cpu quota", []string{"proc/self/cgroup", "0::/a", "sys/fs/cgroup/a/cpu.max", "max 100000"}, OK, "none"},
	{"cpu quota", []string{"proc/self/cgroup", "3:cpu,cpuacct:/x", "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "50000", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000"}, Bad, "0.5 CPUs"},
	{"throttled", []string{"proc/self/cgroup", "0::/a", "sys/fs/cgroup/a/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_usec 3\n"}, Warn, "4 times"},
}

func TestFacts(t *testing.T) {
	for _, test := range facts {
		root := fstest.MapFS{}
		for i := 0; i < len(test.files); i += 2 {
			root[test.files[i]] = &fstest.MapFile{Data: []byte(test.files[i+1])}
		}
		found := false
		for _, c := range CheckFitness(root, []int{0, 1}).Checks {
			if c.Name != test.check {
				continue
			}
			found = true
			if c.Verdict != test.verdict || !strings.Contains(c.Value, test.value) {
				t.Errorf("%s of %q: %s %q, want %s with %q", test.check, test.files, c.Verdict, c.Value, test.verdict, test.value)
			}
			if c.Verdict == Warn && c.Mend == "" {
				t.Errorf("%s: a warning without a remedy", test.check)
			}
		}
		if !found {
			t.Errorf("no check %q", test.check)
		}
	}
}

// TestFactsAreComplete: every check read from files is shown to say both that
// all is well and that it is not, but those that only inform.
func TestFactsAreComplete(t *testing.T) {
	said := map[string]bool{}
	for _, f := range facts {
		said[f.check+fmt.Sprint(f.verdict == OK)] = true
	}
	informs := map[string]bool{"frequency driver": true, "realtime throttling": true}
	onlyOne := map[string]bool{"thermal throttlingtrue": true, "nohz_fulltrue": true, "same-page mergingtrue": true, "numa_balancingfalse": true, "throttledtrue": true}
	for _, c := range CheckFitness(fstest.MapFS{}, []int{0}).Checks {
		for _, well := range []string{"true", "false"} {
			if key := c.Name + well; !said[key] && !informs[c.Name] && !onlyOne[key] {
				t.Errorf("%s: nothing shows it with all well = %s", c.Name, well)
			}
		}
	}
}

func TestFilesystem(t *testing.T) {
	root := fstest.MapFS{"proc/self/mounts": {Data: []byte("/dev/a / ext4 rw,barrier=0 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n/dev/b /data xfs rw 0 0\n/dev/c /database ext4 rw 0 0\n")}}
	for dir, want := range map[string]string{"/x": "warn ext4 on /", "/dev/shm/y": "warn tmpfs", "/data": "ok xfs on /data", "/database/z": "ok ext4 on /database"} {
		c := checkFilesystem(root, dir)
		if got := string(c.Verdict) + " " + c.Value; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
	if c := checkFilesystem(fstest.MapFS{}, "/x"); c.Verdict != Unknown {
		t.Errorf("no mounts: %+v", c)
	}
}
