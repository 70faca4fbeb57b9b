package probes

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"eventstreamcore/engine/cpu"
)

func TestJitterAddsUp(t *testing.T) {
	clock, cpus := calibrated(t)
	list, err := MeasureJitter(clock, os.DirFS("/"), cpus, 50*time.Millisecond)
	if err != nil || len(list) != len(cpus) {
		t.Fatalf("%d of %d CPUs, %v", len(list), len(cpus), err)
	}
	for _, j := range list {
		gaps, lost, inBuckets := 0, int64(0), 0
		for _, c := range j.Causes {
			gaps += c.Gaps
			lost += c.LostNs
			if c.Evidence == "" {
				t.Errorf("CPU %d: %s without evidence", j.CPU, c.Name)
			}
		}
		for _, b := range j.Histogram {
			inBuckets += b.Gaps
		}
		if gaps != j.Gaps || inBuckets != j.Gaps || len(j.gaps) != j.Gaps {
			t.Errorf("CPU %d: %d gaps, %d with a cause, %d in buckets", j.CPU, j.Gaps, gaps, inBuckets)
		}
		if d := j.LostNs - lost; d < -int64(gaps)-1 || d > int64(gaps)+1 { // a ns of rounding each
			t.Errorf("CPU %d: lost %d, by cause %d", j.CPU, j.LostNs, lost)
		}
		if len(j.Worst) > 0 && j.Worst[0].Ns != j.WorstNs {
			t.Errorf("CPU %d: worst %d, listed %d", j.CPU, j.WorstNs, j.Worst[0].Ns)
		}
		t.Logf("CPU %d: %d gaps, lost %.2f %%, worst %d us, %+v", j.CPU, j.Gaps, j.LostShare*100, j.WorstNs/1000, j.Causes)
	}
}

func TestJitterRefuses(t *testing.T) {
	clock := cpu.NewClock(1e9)
	for _, test := range []struct {
		cpus     []int
		duration time.Duration
	}{{nil, time.Second}, {[]int{0}, 0}, {[]int{0}, -1}, {[]int{0}, 2 * time.Hour}, {[]int{16000}, time.Millisecond}} {
		if _, err := MeasureJitter(clock, os.DirFS("/"), test.cpus, test.duration); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v for %v: %v", test.cpus, test.duration, err)
		}
	}
}

func TestParseCounters(t *testing.T) {
	got := parseCounters("           CPU0       CPU2\n" +
		" 24:          1          5  IO-APIC   5-edge      eth0-rx\n" +
		"LOC:        100        200   Local timer interrupts\n" +
		"ERR:          7\n" +
		"bad:          x          y   words\n")
	want := map[string]map[int]int64{
		"eth0-rx (24)":                 {0: 1, 2: 5},
		"LOC (Local timer interrupts)": {0: 100, 2: 200},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	softirqs := parseCounters("    CPU0 CPU1\n TIMER: 3 4\n")
	if !reflect.DeepEqual(softirqs, map[string]map[int]int64{"TIMER": {0: 3, 1: 4}}) {
		t.Errorf("%v", softirqs)
	}
	for _, text := range []string{"", "CPU0", "x y\n1: 2 3\n"} {
		if c := parseCounters(text); len(c) != 0 {
			t.Errorf("%q: %v", text, c)
		}
	}
}

func FuzzParseCounters(f *testing.F) {
	f.Add("  CPU0 CPU1\nLOC: 1 2 words\n24: 3 4 a b\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, counts := range parseCounters(text) {
			if name == "" && len(counts) == 0 {
				t.Error("a row of nothing")
			}
		}
		parseSteal(text)
	})
}

func TestReadTasks(t *testing.T) {
	root := fstest.MapFS{
		"proc/7/task/8/stat":      {Data: []byte("8 (a (b) c) R 1 " + strings.Repeat("0 ", 34) + "3 0 0\n")},
		"proc/7/task/8/schedstat": {Data: []byte("12345 6 7\n")},
		"proc/7/task/9/stat":      {Data: []byte("9 (gone")},
		"proc/self/stat":          {Data: []byte("x")},
	}
	got := readTasks(root)
	if want := map[int]taskState{8: {process: 7, cpu: 3, name: "a (b) c", ranNs: 12345}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestStops: of the gaps about the time of a SIGCONT the longest is the stop.
func TestStops(t *testing.T) {
	gaps := []Span{{10, 12}, {20, 90}, {95, 96}, {200, 260}}
	for _, test := range []struct {
		continued []cpu.Ticks
		want      []int
	}{
		{nil, nil}, {[]cpu.Ticks{91}, []int{1}}, {[]cpu.Ticks{85}, []int{1}}, {[]cpu.Ticks{5}, nil},
		{[]cpu.Ticks{97, 262}, []int{1, 3}}, {[]cpu.Ticks{1000}, nil},
	} {
		got := stops(gaps, test.continued, 50)
		if len(got) != len(test.want) || slices.ContainsFunc(test.want, func(i int) bool { return !got[i] }) {
			t.Errorf("continued at %v: %v, want %v", test.continued, got, test.want)
		}
	}
}

func TestCauses(t *testing.T) {
	for _, test := range []struct {
		gap               rawGap
		guest, interrupts bool
		want              string
	}{
		{rawGap{involuntary: 1, voluntary: 1}, true, true, CauseTask},
		{rawGap{voluntary: 1}, false, true, CauseRuntime},
		{rawGap{}, true, false, CauseHost},
		{rawGap{}, false, true, CauseInterrupt},
		{rawGap{}, false, false, CauseUnexplained},
	} {
		if got := causeOf(test.gap, test.guest, test.interrupts); got != test.want {
			t.Errorf("%+v: %s, want %s", test, got, test.want)
		}
	}
}

func TestSpinAllocatesNothing(t *testing.T) {
	clock := cpu.NewClock(1e9)
	s := spinner{gaps: make([]rawGap, 0, gapsKept)}
	if n := testing.AllocsPerRun(5, func() { s.gaps = s.gaps[:0]; s.spin(clock.Ticks(gapNs), clock.Ticks(100_000)) }); n != 0 {
		t.Errorf("%v allocations in the loop that looks for gaps", n)
	}
}

// child runs this test binary as another process, in one of the parts below.
func child(t *testing.T, part string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	c.Env = append(os.Environ(), "PROBES_CHILD="+part)
	c.Stderr = os.Stderr
	return c
}

// TestChild is what child runs: "busy N" spins on CPU N until it is killed,
// "jitter N" measures CPU N and prints the result.
func TestChild(t *testing.T) {
	part, on := "", 0
	if _, err := fmt.Sscan(os.Getenv("PROBES_CHILD"), &part, &on); err != nil {
		t.Skip("a part of other tests")
	}
	clock, _ := calibrated(t)
	switch part {
	case "busy":
		if err := cpu.Pin(on); err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready")
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		}
	case "jitter":
		fmt.Println("ready")
		list, err := MeasureJitter(clock, os.DirFS("/"), []int{on}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(list[0])
		fmt.Println(string(text))
	}
}

// started starts the child and waits until it says ready.
func started(t *testing.T, c *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return lines
		}
	}
	t.Fatal("the child did not start")
	return nil
}

// TestProofABusyNeighbourIsNamed: another process spins on the same CPU; half of
// the time goes to it, and it is named.
func TestProofABusyNeighbourIsNamed(t *testing.T) {
	if os.Getenv("ESC_PROOFS") != "1" {
		t.Skip("a timed check: set ESC_PROOFS=1")
	}
	clock, cpus := calibrated(t)
	on := cpus[len(cpus)-1]
	c := child(t, fmt.Sprint("busy ", on))
	started(t, c)
	list, err := MeasureJitter(clock, os.DirFS("/"), []int{on}, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	j := list[0]
	if len(j.Causes) == 0 || j.Causes[0].Name != CauseTask || j.LostShare < 0.2 {
		t.Errorf("lost %.0f %%: %+v", j.LostShare*100, j.Causes)
	}
	if !slices.ContainsFunc(j.Neighbours, func(n Neighbour) bool { return n.Process == c.Process.Pid && n.RanNs > 20_000_000 }) {
		t.Errorf("process %d is not named: %+v", c.Process.Pid, j.Neighbours)
	}
	t.Log(j.Causes[0].Evidence)
}
