package probes

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// tunable is a machine of two cores of two threads with everything that
// scripts/tune.sh touches.
var tunable = map[string]string{
	"sys/devices/system/cpu/online":                             "0-3",
	"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":      "powersave",
	"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor":      "performance",
	"sys/devices/system/cpu/cpufreq/boost":                      "1",
	"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,2",
	"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1,3",
	"sys/devices/system/cpu/cpu2/topology/thread_siblings_list": "0,2",
	"sys/devices/system/cpu/cpu3/topology/thread_siblings_list": "1,3",
	"sys/devices/system/cpu/cpu1/online":                        "1",
	"sys/devices/system/cpu/cpu2/online":                        "1",
	"sys/devices/system/cpu/cpu3/online":                        "1",
	"sys/devices/system/cpu/cpu0/cpuidle/state0/latency":        "0",
	"sys/devices/system/cpu/cpu0/cpuidle/state0/disable":        "0",
	"sys/devices/system/cpu/cpu0/cpuidle/state2/latency":        "133",
	"sys/devices/system/cpu/cpu0/cpuidle/state2/disable":        "0",
	"sys/kernel/mm/transparent_hugepage/enabled":                "[always] madvise never",
	"sys/kernel/mm/ksm/run":                                     "1",
	"proc/sys/kernel/nmi_watchdog":                              "1",
	"proc/sys/kernel/numa_balancing":                            "1",
	"proc/irq/24/smp_affinity_list":                             "0-3",
	"proc/irq/25/smp_affinity_list":                             "0",
}

// tuned is the same after everything was applied with --cpus 1-3.
var tuned = map[string]string{
	"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
	"sys/devices/system/cpu/cpufreq/boost":                 "0",
	"sys/devices/system/cpu/cpu2/online":                   "0",
	"sys/devices/system/cpu/cpu3/online":                   "0",
	"sys/devices/system/cpu/cpu0/cpuidle/state2/disable":   "1",
	"sys/kernel/mm/transparent_hugepage/enabled":           "madvise",
	"sys/kernel/mm/ksm/run":                                "0",
	"proc/sys/kernel/nmi_watchdog":                         "0",
	"proc/sys/kernel/numa_balancing":                       "0",
	"proc/irq/24/smp_affinity_list":                        "0",
}

// tuning is a copy of the machine for the script to work on.
type tuning struct {
	t           *testing.T
	root, state string
}

func newTuning(t *testing.T) tuning {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS != "linux" {
		t.Skip("scripts/tune.sh is for Linux with bash")
	}
	u := tuning{t, t.TempDir(), filepath.Join(t.TempDir(), "state")}
	for file, text := range tunable {
		full := filepath.Join(u.root, file)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func (u tuning) run(args ...string) (output string, code int) {
	u.t.Helper()
	c := exec.Command("bash", append([]string{"../scripts/tune.sh"}, args...)...)
	c.Env = append(os.Environ(), "ESC_TUNE_ROOT="+u.root, "ESC_TUNE_STATE="+u.state)
	out, _ := c.CombinedOutput()
	return string(out), c.ProcessState.ExitCode()
}

// files are the machine's files; of a choice the chosen one.
func (u tuning) files() map[string]string {
	u.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(u.root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(at)
		name, _ := filepath.Rel(u.root, at)
		value := strings.TrimSpace(string(text))
		if _, after, found := strings.Cut(value, "["); found {
			value, _, _ = strings.Cut(after, "]")
		}
		all[name] = value
		return err
	})
	if err != nil {
		u.t.Fatal(err)
	}
	return all
}

func (u tuning) same(when string, want map[string]string) {
	u.t.Helper()
	for name, got := range u.files() {
		if got != want[name] {
			u.t.Errorf("%s: %s holds %q, want %q", when, name, got, want[name])
		}
	}
}

func TestTuneAppliesAndUndoes(t *testing.T) {
	u := newTuning(t)
	before := u.files()
	after := maps.Clone(before)
	maps.Copy(after, tuned)
	if out, code := u.run("--dry-run", "--cpus", "1-3"); code != 0 || !strings.Contains(out, "would write performance") {
		t.Errorf("dry run: %d\n%s", code, out)
	}
	u.same("dry run", before)
	for range 2 { // the second time there is nothing to do, and nothing to forget
		if out, code := u.run("--cpus", "1-3"); code != 0 {
			t.Fatalf("apply: %d\n%s", code, out)
		}
		u.same("applied", after)
	}
	if out, code := u.run("--status"); code != 0 || !strings.Contains(out, "scaling_governor was powersave") {
		t.Errorf("status: %d\n%s", code, out)
	}
	if out, code := u.run("--undo", "--dry-run"); code != 0 || !strings.Contains(out, "would write powersave back") {
		t.Errorf("undo, dry run: %d\n%s", code, out)
	}
	u.same("undo, dry run", after)
	if out, code := u.run("--undo"); code != 0 {
		t.Errorf("undo: %d\n%s", code, out)
	}
	u.same("undone", before)
	if out, _ := u.run("--status"); out != "" {
		t.Errorf("something is left to undo: %s", out)
	}
}

func TestTuneOneThing(t *testing.T) {
	u := newTuning(t)
	want := u.files()
	want["sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"] = "performance"
	if out, code := u.run("governor"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	u.same("governor", want)
}

func TestTuneRefuses(t *testing.T) {
	u := newTuning(t)
	before := u.files()
	for _, args := range [][]string{
		{"turbo"}, {"--fast"}, {"--cpus"}, {"--cpus", "x", "irq"}, {"--cpus", "3-1", "irq"},
		{"--cpus", "0-3", "irq"}, {"--cpus", "2,9", "irq"},
	} {
		out, code := u.run(args...)
		if code != 2 || !strings.HasPrefix(out, "tune.sh: ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: exit %d, want 2 and one line:\n%s", args, code, out)
		}
	}
	u.same("refused", before)
}

// TestTuneForgetsWhatIsRefused: some interrupts cannot be moved. There is then
// nothing to undo.
func TestTuneForgetsWhatIsRefused(t *testing.T) {
	u := newTuning(t)
	stubborn := filepath.Join(u.root, "proc/irq/26/smp_affinity_list")
	if err := os.MkdirAll(filepath.Dir(stubborn), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/version", stubborn); err != nil { // readable, and nobody may write it
		t.Fatal(err)
	}
	if out, code := u.run("--cpus", "1-3", "irq"); code != 0 || !strings.Contains(out, "26/smp_affinity_list: the kernel refuses 0: left at ") || !strings.Contains(out, "24/smp_affinity_list: 0-3 -> 0") {
		t.Errorf("apply: %d\n%s", code, out)
	}
	if out, _ := u.run("--status"); strings.Contains(out, "irq/26") || !strings.Contains(out, "irq/24") {
		t.Errorf("status:\n%s", out)
	}
	if out, code := u.run("--undo"); code != 0 || strings.Contains(out, "refuses") {
		t.Errorf("undo: %d\n%s", code, out)
	}
}

// TestRemediesExist: whatever a check says about scripts/tune.sh, the script can.
func TestRemediesExist(t *testing.T) {
	u := newTuning(t)
	tried := 0
	for _, c := range CheckFitness(os.DirFS(u.root), []int{1, 2}).Checks {
		for _, remedy := range []string{c.Mend, c.Undo} {
			args, found := strings.CutPrefix(remedy, "scripts/tune.sh ")
			if !found {
				continue
			}
			tried++
			if out, code := u.run(append(strings.Fields(args), "--dry-run")...); code != 0 {
				t.Errorf("%s: %q: exit %d\n%s", c.Name, remedy, code, out)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d remedies were tried", tried)
	}
}
