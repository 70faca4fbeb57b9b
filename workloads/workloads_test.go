package workloads

import (
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// small is a bench whose trials are as short as they may be: enough to run
// every line, and to say nothing of speed.
func small(t *testing.T) *Bench {
	t.Helper()
	clock, err := cpu.Calibrate()
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := cpu.Allowed()
	if err != nil {
		t.Skip(err)
	}
	b := &Bench{
		Clock: clock, Fitness: record.Fitness{Verdict: record.Unfit}, Allowed: allowed, Trials: 1, Time: time.Millisecond,
		Scratch: t.TempDir(), Disk: t.TempDir(), Log: io.Discard, Random: rand.New(rand.NewPCG(1, 1)),
	}
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		t.Skip(err)
	}
	b.Pairs = Pairs(machine, allowed, allowed[len(allowed)-1], allowed[max(len(allowed)-2, 0)])
	b.use(b.Pairs[0])
	t.Cleanup(func() { cpu.Confine(nil, allowed...) })
	return b
}

func never() bool { return false }

// chosen are the workloads that a pattern selects, and a setting or several.
func chosen(t *testing.T, b *Bench, pattern string, set ...string) []Workload {
	t.Helper()
	b.Set = Settings{}
	for _, s := range set {
		if err := b.Set.Assign(s); err != nil {
			t.Fatal(err)
		}
	}
	list, err := Select(b, regexp.MustCompile(pattern))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestEveryCellRuns runs all workloads briefly, the other process included, and
// wants valid trials, figures above zero and nothing left behind.
func TestEveryCellRuns(t *testing.T) {
	b := small(t)
	b.Self = filepath.Join(t.TempDir(), "esc")
	if out, err := exec.Command("go", "build", "-o", b.Self, "eventstreamcore/cmd/esc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	list := Usual(chosen(t, b, "."))
	if testing.Short() {
		list = withoutCapacities(list)
	}
	rows, err := b.Measure(list, never)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.Workload] = true
		if r.Skipped != "" || r.Oversubscribed != "" {
			t.Logf("%s: %s%s", r.Name(), r.Skipped, r.Oversubscribed)
			continue
		}
		checkRow(t, r)
	}
	for _, w := range Usual(All) {
		if !seen[w.Name] {
			t.Errorf("%s has no row", w.Name)
		}
	}
	for _, dir := range []string{b.Scratch, b.Disk} {
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%d folders left in %s", len(left), dir)
		}
	}
}

// withoutCapacities leaves out the cells that take seconds.
func withoutCapacities(list []Workload) []Workload {
	for i, w := range list {
		cells := slices.DeleteFunc(slices.Clone(w.Cells(nil)), func(c Cell) bool {
			load, _ := c.at("load")
			return load == "capacity"
		})
		list[i].Cells = func(*Bench) []Cell { return cells }
	}
	return list
}

// checkRow wants what any run must have; a sender that could not keep up on a
// busy machine is the one fault it forgives.
func checkRow(t *testing.T, r record.Row) {
	t.Helper()
	for _, trial := range r.Trials {
		if trial.Invalid != "" {
			if !strings.Contains(trial.Invalid, "generator") && !strings.Contains(trial.Invalid, "schedule") && trial.Invalid != notKept {
				t.Errorf("%s: invalid: %s", r.Name(), trial.Invalid)
			}
			continue
		}
		if trial.N < 1 || len(trial.Values) == 0 {
			t.Errorf("%s: %d operations, values %v", r.Name(), trial.N, trial.Values)
		}
		for _, v := range trial.Values {
			if !(v.Value > 0) {
				t.Errorf("%s: %v %s", r.Name(), v.Value, v.Unit)
			}
		}
	}
	checkWays(t, r)
	checkPlaced(t, r)
}

// checkPlaced wants the threads' and the slabs' places, read back.
func checkPlaced(t *testing.T, r record.Row) {
	t.Helper()
	if len(r.Placed) == 0 && r.Workload != "log" { // whose producers wait for the disk, and are pinned nowhere
		t.Errorf("%s: no thread was read back", r.Name())
	}
	for _, p := range r.Placed {
		if len(p.Allowed) != 1 || p.Allowed[0] != p.CPU || p.Ran != nil && *p.Ran != p.CPU {
			t.Errorf("%s: %s was to run on CPU %d and may run on %v, ran on %v", r.Name(), p.Role, p.CPU, p.Allowed, p.Ran)
		}
	}
	if engine := r.Workload == "pipeline" || r.Workload == "tcp" || r.Workload == "udp"; engine != (len(r.Slabs) > 0) {
		t.Errorf("%s: slabs %v", r.Name(), r.Slabs)
	}
}

// checkWays wants of an open loop's row what it must have besides.
func checkWays(t *testing.T, r record.Row) {
	t.Helper()
	for _, trial := range r.Valid() {
		if len(r.Distributions) > 0 {
			checkPercentiles(t, trial)
		}
	}
	late := func(trial record.Trial) bool { return strings.HasPrefix(trial.Invalid, "with stamps: ") } // which has the waterfalls
	if strings.HasSuffix(r.Name(), "span=intended-stored") && len(r.Valid()) > 0 && (len(r.Intervals) == 0 || len(r.Waterfalls) != 2 && !slices.ContainsFunc(r.Trials, late)) {
		t.Errorf("%s: %d intervals, %d waterfalls", r.Name(), len(r.Intervals), len(r.Waterfalls))
	}
	if strings.Contains(r.Name(), "load=capacity") && len(r.Loads) < 1+len(capacityShares) {
		t.Errorf("%s: %d rates", r.Name(), len(r.Loads))
	}
}

// TestTargetsExist: every target that a cell names is one of judge's, and every
// one of judge's is named by some cell.
func TestTargetsExist(t *testing.T) {
	named := map[string]bool{}
	for _, w := range All {
		for _, c := range w.Cells(planned()) {
			for _, id := range c.Targets {
				named[id] = true
			}
		}
	}
	for _, id := range append(lanePromise[:], "e2e", "e2e-claim") {
		named[id] = true // those of spans
	}
	for id := range named {
		if _, ok := judge.ByID(id); !ok {
			t.Errorf("no target %q", id)
		}
	}
	for _, target := range judge.Targets {
		if !named[target.ID] {
			t.Errorf("no cell is held against %q", target.ID)
		}
	}
}

// planned is a bench of two CPUs, and a third beyond the L3, that measures nothing.
func planned() *Bench {
	return &Bench{Allowed: []int{0, 1, 8}, Pairs: []Pair{{"same-L3", 1, 0, -1}, {"cross-L3", 1, 8, -1}}, Set: Settings{}}
}

func TestSelectByCell(t *testing.T) {
	for pattern, want := range map[string]int{".": len(All), "^spsc/mode=pair$": 1, "tcp|pipeline": 2, "none": 0} {
		if list := chosen(t, planned(), pattern); len(list) != want {
			t.Errorf("%q chose %d workloads, want %d", pattern, len(list), want)
		}
	}
	if cells := chosen(t, planned(), "^spsc/mode=pair$")[0].Cells(nil); len(cells) != 1 {
		t.Errorf("one cell was asked for, %d came", len(cells))
	}
}

// TestSettings: what is set narrows the cells or makes new ones, the usual value
// of a parameter has no place in a name, and where the machine has it a hand-over
// is measured at every relation.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		pattern string
		set     []string
		want    string
	}{
		{"^spsc", []string{"batch=1,4", "mode=cross"}, "spsc/mode=cross/batch=1 spsc/mode=cross/batch=1/place=cross-L3 spsc/mode=cross/batch=4 spsc/mode=cross/batch=4/place=cross-L3"},
		{"^spsc", []string{"place=self"}, "spsc/mode=pair spsc/mode=batch/batch=32"},
		{"^spsc", []string{"place=same-L3", "batch=32"}, "spsc/mode=cross/batch=32"},
		{"^parse", []string{"payload=63", "payload=1000"}, "parse/frame=v1 parse/frame=v1/payload=1k parse/frame=v2 parse/frame=v2/payload=1k"},
		{"^tcp", []string{"rate=20000,1M", "shape=poisson"}, "tcp/frame=v2/load=open/rate=20k/connections=1/shape=poisson tcp/frame=v2/load=open/rate=1M/connections=1/shape=poisson"},
		{"^pipeline", []string{"place=cross-L3", "lane=batch"}, "pipeline/plan=fused/load=open/rate=100k/lane=batch/place=cross-L3"},
		{"^log", []string{"producers=3"}, "log/mode=group/load=closed/producers=3/bytes=128"},
	} {
		var names []string
		for _, w := range chosen(t, planned(), c.pattern, c.set...) {
			for _, cell := range w.Cells(nil) {
				names = append(names, title(w.Name, cell))
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%v:\n%s, want\n%s", c.set, got, c.want)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"batch": "key=value", "=3": "key=value", "batch=": "key=value", "bacth=3": "no parameter: use", "batch=0": "1 to 1024 items", "batch=many": "1 to 1024 items", "batch=1,": "1 to 1024 items",
	} {
		if err := (Settings{}).Assign(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	b := planned()
	b.Set = Settings{"place": {"cross-node"}}
	if _, err := Select(b, regexp.MustCompile(".")); err == nil || !strings.Contains(err.Error(), "cross-L3, same-L3, self") {
		t.Errorf("a place that the machine has not: %v", err)
	}
}

// TestFailedOperationsDoNotCount: the original counted refused pushes as pushes.
func TestFailedOperationsDoNotCount(t *testing.T) {
	b := small(t)
	trial := amortised(b, 1, func(n int) int { return n - 1 }, nil)
	out, err := trial.Run()
	if err != nil || !strings.Contains(out.Invalid, "operations did not succeed") || len(out.Values) > 0 {
		t.Errorf("%+v, %v: want an invalid trial without a figure", out.Trial, err)
	}
}

// losing is a ring that swallows one handle on its way.
type losing struct {
	*queue.SPSC
	popped int
}

func (l *losing) PopBatch(dst []event.Ref) int {
	n := l.SPSC.PopBatch(dst)
	if l.popped += n; n > 1 && l.popped > 5000 && l.popped < 1<<30 {
		l.popped = 1 << 30
		copy(dst, dst[1:n])
		return n - 1
	}
	return n
}

// TestALostHandleIsCaught plants a ring that loses one: the handles behind it
// arrive one place too early.
func TestALostHandleIsCaught(t *testing.T) {
	q := newSPSC()
	l := &losing{SPSC: q}
	const n = 20_000
	go produce(q, batchSize, n+1)
	if wrong := consume(l, batchSize, n); !strings.Contains(wrong, "arrived as") {
		t.Errorf("a lost handle went unnoticed: %q", wrong)
	}
}

// TestInterruptedBetweenTrials: what was measured is kept.
func TestInterruptedBetweenTrials(t *testing.T) {
	b := small(t)
	looks := 0
	rows, err := b.Measure(chosen(t, b, "^dispatch|^parse"), func() bool { looks++; return looks > 3 })
	if err != nil || len(rows) == 0 || len(rows) > 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// TestSchedulerSlots: two more than threads that spin, whatever was before.
func TestSchedulerSlots(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	b := small(t)
	for _, threads := range []int{1, 3, 2} {
		if err := b.confine(threads); err != nil {
			t.Fatal(err)
		}
		if n := runtime.GOMAXPROCS(0); n != threads+2 {
			t.Errorf("%d slots for %d threads that spin", n, threads)
		}
	}
}

// TestFullRateSaysItsPressure: the worst that was judged in any trial, or nothing
// where none was.
func TestFullRateSaysItsPressure(t *testing.T) {
	at := func(states ...string) (list []Outcome) {
		for _, s := range states {
			list = append(list, Outcome{Trial: record.Trial{N: 1, State: s, Values: []record.Value{value("ns/op", 1)}}})
		}
		return list
	}
	for want, list := range map[string][]Outcome{
		"":                                 at("", ""),
		"pressure at full rate: HEALTHY":   at("", "HEALTHY", "HEALTHY"),
		"pressure at full rate: EMERGENCY": at("HEALTHY", "EMERGENCY", "", "DEGRADED"),
	} {
		row := new(Bench).rows(record.Row{Workload: "pipeline"}, Cell{}, list)[0]
		if got := strings.Join(row.Notes, "; "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
