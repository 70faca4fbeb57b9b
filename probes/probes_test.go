package probes

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
)

// calibrated is the clock of this machine, and its CPUs.
func calibrated(t *testing.T) (cpu.Clock, []int) {
	t.Helper()
	cpus, err := cpu.Allowed()
	if errors.Is(err, cpu.ErrUnsupported) {
		t.Skip("threads cannot be pinned on this system")
	}
	if err != nil {
		t.Fatal(err)
	}
	clock, err := cpu.Calibrate()
	if err != nil {
		t.Skip("the clock does not hold still enough to calibrate: ", err)
	}
	return clock, cpus
}

const brief = 5 * time.Millisecond

// sound fails when a floor is no floor; it says nothing of how large one is.
func sound(t *testing.T, f Floor, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if f.N < samplesMin || len(f.Samples) != f.N || f.Name == "" || f.How == "" {
		t.Errorf("incomplete: %+v", f)
	}
	if !(f.Ns > 0 && f.Low <= f.Ns && f.Ns <= f.High) || math.IsInf(f.High, 0) {
		t.Errorf("no interval round the median: %v", f)
	}
	t.Log(f, "·", f.How)
}

func TestMeasurersGiveFloors(t *testing.T) {
	clock, cpus := calibrated(t)
	on := cpus[0]
	for name, measure := range map[string]func() (Floor, error){
		"memcpy":     func() (Floor, error) { return Memcpy(clock, on, 64, brief) },
		"load_store": func() (Floor, error) { return LoadStore(clock, on, brief) },
		"random":     func() (Floor, error) { return RandomAccess(clock, on, 1<<20, brief) },
		"write_sync": func() (Floor, error) { return WriteSync(clock, t.TempDir(), 4096, brief) },
	} {
		t.Run(name, func(t *testing.T) {
			f, err := measure()
			sound(t, f, err)
		})
	}
}

func TestPairMeasurersGiveFloors(t *testing.T) {
	clock, cpus := calibrated(t)
	if len(cpus) < 2 {
		t.Skip("one CPU")
	}
	f, err := LineTransfer(clock, cpus[0], cpus[1], brief)
	sound(t, f, err)
	f, err = LoopbackRead(clock, 78, cpus[0], cpus[1], brief)
	sound(t, f, err)
}

func TestOneCPUIsSaid(t *testing.T) {
	clock := cpu.NewClock(1e9)
	if _, err := LineTransfer(clock, 0, 0, brief); !errors.Is(err, ErrOneCPU) {
		t.Errorf("LineTransfer: %v", err)
	}
	if _, err := LoopbackRead(clock, 78, 0, 0, brief); !errors.Is(err, ErrOneCPU) {
		t.Errorf("LoopbackRead: %v", err)
	}
}

func TestAbsentCPUIsAnError(t *testing.T) {
	clock, _ := calibrated(t)
	const absent = 16_000
	if _, err := Memcpy(clock, absent, 64, brief); err == nil {
		t.Error("Memcpy on a CPU that is not there: no error")
	}
	if _, err := LineTransfer(clock, 0, absent, brief); err == nil {
		t.Error("LineTransfer to a CPU that is not there: no error")
	}
}

func TestStep(t *testing.T) {
	many := clockReads
	for _, test := range []struct {
		name   string
		counts map[cpu.Ticks]int
		want   float64
	}{
		{"steps of 24.5", map[cpu.Ticks]int{49: many, 73: many, 74: many, 98: many, 6149: 1}, 24.5},
		{"steps of 26, one kind seen", map[cpu.Ticks]int{26: many}, 26},
		{"steps of 26 with repeats", map[cpu.Ticks]int{0: many, 26: many}, 26},
		{"single ticks", map[cpu.Ticks]int{35: many, 36: many, 37: many, 38: many}, 1},
		{"nothing often", map[cpu.Ticks]int{35: 1}, 1},
	} {
		if got := step(test.counts); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestChainVisitsAll holds for sizes that are no power of two as well.
func TestChainVisitsAll(t *testing.T) {
	for _, n := range []int{2, 3, 7, 64, 1000, 4096, 5000} {
		links, at, seen := make([]link, n), uint32(0), map[uint32]bool{}
		chain(links)
		for range n {
			seen[at] = true
			at = walk(links, at, 1)
		}
		if len(seen) != n || at != 0 {
			t.Errorf("%d links: visits %d and ends at %d", n, len(seen), at)
		}
	}
}

func TestFloorSummary(t *testing.T) {
	samples := make([]float64, 101)
	for i := range samples {
		samples[i] = float64((i * 37) % 101)
	}
	before := slices.Clone(samples)
	f, err := newFloor("x", "y", samples)
	if err != nil || f.Ns != 50 || f.Low < 35 || f.Low >= 50 || f.High <= 50 || f.High > 65 {
		t.Errorf("median of 0..100: %v, %v", f, err)
	}
	if !slices.Equal(samples, before) {
		t.Error("the samples were reordered")
	}
	if _, err := newFloor("x", "y", samples[:samplesMin-1]); err == nil {
		t.Error("too few samples: no error")
	}
}

func TestRulerOfThisMachine(t *testing.T) {
	clock, _ := calibrated(t)
	r, err := CheckRuler(clock)
	if err != nil && !errors.Is(err, ErrRuler) {
		t.Fatal(err)
	}
	if err := r.Recheck(); err != nil && !errors.Is(err, ErrRuler) {
		t.Fatal(err)
	}
	if r.ReadNs <= 0 || r.FencedNs <= 0 || r.ResolutionNs <= 0 || r.GHzAfter <= 0 {
		t.Errorf("incomplete: %+v", r)
	}
	t.Logf("%+v %v", r, err)
}

// TestRulerCatchesAWrongClock lies about the counter's rate by 1 %, and by a
// factor that puts the effective rate out of belief.
func TestRulerCatchesAWrongClock(t *testing.T) {
	clock, _ := calibrated(t)
	for _, factor := range []float64{1.01, 0.99, 20} {
		if _, err := CheckRuler(cpu.NewClock(clock.Hz * factor)); !errors.Is(err, ErrRuler) {
			t.Errorf("a clock %v times too fast: %v", factor, err)
		}
	}
}
