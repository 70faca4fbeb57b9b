package probes

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

// Shares of a CPU that others may take before it is a warning, and bad.
const (
	loadWarn = 0.02
	loadBad  = 0.20
)

// Doctor is CheckFitness and what takes time to see: whether the ruler holds,
// who else runs on the CPUs, what a thread pinned to each loses, where memory
// bound to each node is found, and what the filesystem of dir promises. dir may
// be empty. It takes about three windows.
func Doctor(clock cpu.Clock, root fs.FS, t *topology.Topology, cpus []int, dir string, window time.Duration) Fitness {
	defer widen(len(cpus))()
	ruler, err := CheckRuler(clock)
	checks := append([]Check{RulerCheck(ruler, err)}, CheckFitness(root, cpus).Checks...)
	checks = append(checks, checkLoad(root, cpus, window))
	checks = append(checks, checkSpinning(clock, root, cpus, window)...)
	checks = append(checks, checkPages(t))
	if dir != "" {
		checks = append(checks, checkFilesystem(root, dir))
	}
	return NewFitness(append(checks, runtimeChecks(len(cpus))...))
}

// lostWarn is the share of a CPU from which what a pinned thread loses is a
// warning.
const lostWarn = 0.001

// faultsWarn is how many page faults a spinner may have: its stack's.
const faultsWarn = 4

// checkSpinning pins a thread to every CPU, lets it spin, and judges what the
// kernel made of it.
func checkSpinning(clock cpu.Clock, root fs.FS, cpus []int, window time.Duration) []Check {
	pin := Check{Name: "pinning", Source: "sched_getaffinity", Verdict: OK, Value: "held on CPUs " + joinCPUs(cpus), Why: "a thread that may move measures several CPUs at once"}
	list, err := MeasureJitter(clock, root, cpus, window)
	if err != nil {
		pin.Verdict, pin.Value = Bad, err.Error()
		return []Check{pin}
	}
	switched := Check{Name: "context switches", Source: "getrusage(RUSAGE_THREAD)", Verdict: OK, Why: "a spinner that is switched away was not spinning"}
	faults := Check{Name: "page faults", Source: "getrusage(RUSAGE_THREAD)", Verdict: OK, Why: "memory touched for the first time costs a trap, 0.5 to 2 us"}
	lost := Check{Name: "lost time", Source: "gaps over 1 us of a spinning thread", Verdict: OK, Why: "interrupts, the host and others take it from every figure"}
	var voluntary, involuntary, faulted int64
	worst := list[0]
	for _, j := range list {
		voluntary, involuntary, faulted = voluntary+j.Voluntary, involuntary+j.Involuntary, faulted+j.Faults
		if j.LostShare > worst.LostShare {
			worst = j
		}
	}
	switched.Value = fmt.Sprintf("%d voluntary, %d involuntary in %v", voluntary, involuntary, window)
	if involuntary > 0 {
		switched.Verdict, switched.Mend, switched.Undo = Warn, "boot with isolcpus=LIST, or stop other work", "boot without isolcpus="
	}
	faults.Value = fmt.Sprintf("%d in %v", faulted, window)
	if faulted > faultsWarn*int64(len(cpus)) {
		faults.Verdict, faults.Mend = Warn, "touch memory before measuring; switch off page scanning (ksm, damon, numa_balancing)"
	}
	lost.Value = fmt.Sprintf("%.2f %% of CPU %d, worst gap %.0f us", worst.LostShare*100, worst.CPU, float64(worst.WorstNs)/1000)
	if worst.LostShare > lostWarn {
		lost.Verdict, lost.Mend = Warn, fmt.Sprintf("see: esc probe jitter --cpus %d", worst.CPU)
	}
	return []Check{pin, switched, faults, lost}
}

// checkPages binds a little memory to each node and reads back where it is.
func checkPages(t *topology.Topology) Check {
	c := Check{Name: "page placement", Source: "mbind, move_pages", Verdict: OK, Why: "memory of another node costs half as much again, or twice"}
	nodes := t.MemoryNodes()
	if len(nodes) == 0 {
		c.Value = "no NUMA nodes"
		return c
	}
	for _, n := range nodes {
		p, err := newPages(1<<20, n)
		if err != nil {
			c.Verdict, c.Value = Unknown, err.Error()
			if len(nodes) > 1 {
				c.Verdict = Warn
			}
			return c
		}
		_ = p.release() // unmapping what was just mapped does not fail
	}
	c.Value = fmt.Sprintf("pages bound to nodes %v are found there", nodes)
	return c
}

// ForeignLoad is the name of the check of who else runs on the CPUs, which tells of
// that moment alone.
const ForeignLoad = "foreign load"

// checkLoad watches for a while who runs on the CPUs, this process apart.
func checkLoad(root fs.FS, cpus []int, window time.Duration) Check {
	c := Check{Name: ForeignLoad, Source: "/proc/*/task/*/schedstat", Why: "whoever runs on a measured CPU is in every figure",
		Mend: "stop what is named, or move it: taskset -apc LIST PID", Verdict: OK, Value: "none"}
	before, began := readTasks(root), time.Now()
	if len(before) == 0 {
		c.Verdict, c.Value = Unknown, "no thread can be seen"
		return c
	}
	self := selfID(root)
	time.Sleep(window)
	after := readTasks(root)
	elapsed := float64(time.Since(began))
	worst := 0.0
	for _, n := range cpus {
		share := 0.0
		others := neighboursOn(n, before, after, nil)
		others = slices.DeleteFunc(others, func(o Neighbour) bool { return o.Process == self })
		for _, o := range others {
			share += float64(o.RanNs) / elapsed
		}
		if share > worst {
			worst = share
			c.Value = fmt.Sprintf("%.0f %% of CPU %d: %s", min(share, 1)*100, n, describeNeighbours(others))
		}
	}
	switch {
	case worst > loadBad:
		c.Verdict = Bad
	case worst > loadWarn:
		c.Verdict = Warn
	}
	return c
}

// selfID is this process's id as the root numbers it, 0 if it does not.
func selfID(root fs.FS) (id int) {
	name, _, _ := strings.Cut(readText(root, "proc/self/stat"), " ")
	_, _ = fmt.Sscan(name, &id)
	return id
}

// filesystems that keep what fsync promises only in part, and why.
var weakFilesystems = map[string]string{
	"tmpfs": "memory: fsync costs and keeps nothing", "ramfs": "memory: fsync costs and keeps nothing",
	"nfs": "the network's latency, not the disk's", "nfs4": "the network's latency, not the disk's", "9p": "the host's cache answers",
	"virtiofs": "the host's cache may answer", "overlay": "what lies beneath is not named", "fuse": "a user program answers",
}

// checkFilesystem says what dir lies on and how it is mounted.
func checkFilesystem(root fs.FS, dir string) Check {
	c := Check{Name: "filesystem", Source: "/proc/self/mounts", Why: "what a durable write costs, and whether it is one, is the filesystem's doing", Verdict: OK}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return c.unread(err)
	}
	text, err := fs.ReadFile(root, "proc/self/mounts")
	if err != nil {
		return c.unread(err)
	}
	best := ""
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 || !within(dir, f[1]) || len(f[1]) < len(best) {
			continue
		}
		best = f[1]
		c.Verdict, c.Value = OK, fmt.Sprintf("%s on %s (%s)", f[2], f[1], f[3])
		if why, weak := weakFilesystems[f[2]]; weak {
			c.Verdict, c.Value = Warn, c.Value+": "+why
		}
		if options := "," + f[3] + ","; strings.Contains(options, ",nobarrier,") || strings.Contains(options, ",barrier=0,") {
			c.Verdict, c.Value = Warn, c.Value+": without barriers fsync may be lost in the disk's cache"
			c.Mend, c.Undo = "mount -o remount,barrier=1 "+f[1], "mount -o remount,barrier=0 "+f[1]
		}
	}
	if best == "" {
		c.Verdict, c.Value = Unknown, "no mount holds "+dir
	}
	return c
}

func within(dir, mount string) bool {
	return mount == "/" || dir == mount || strings.HasPrefix(dir, mount+"/")
}

// runtimeChecks judges how this process's Go runtime is set, for so many
// spinning threads.
func runtimeChecks(spinners int) []Check {
	procs := Check{Name: "GOMAXPROCS", Source: "runtime.GOMAXPROCS", Verdict: OK, Value: fmt.Sprint(runtime.GOMAXPROCS(0)),
		Why: fmt.Sprintf("%d spinners hold a P each; the collector and everyone else need two more, or they pre-empt one", spinners)}
	if runtime.GOMAXPROCS(0) < spinners+2 {
		procs.Verdict, procs.Mend = Warn, fmt.Sprintf("GOMAXPROCS=%d (esc bench sets it itself)", spinners+2)
		procs.Undo = "unset GOMAXPROCS"
	}
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	collector := Check{Name: "collector", Source: "runtime/metrics /gc/gogc:percent", Verdict: OK, Value: "on, and idle while nothing is allocated",
		Why: "a collection stops every thread twice and takes a quarter of the CPUs meanwhile"}
	if percent[0].Value.Kind() == metrics.KindUint64 && percent[0].Value.Uint64() > 1<<40 {
		collector.Value = "off"
	}
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	collector.Value += fmt.Sprintf("; %d collections so far", stats.NumGC)
	return []Check{procs, collector}
}
