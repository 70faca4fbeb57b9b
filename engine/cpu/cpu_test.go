package cpu

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func TestCounterRunsForward(t *testing.T) {
	previous := Now()
	for range 10_000 {
		now, then := Now(), End()
		if now < previous || then < now {
			t.Fatalf("read %d, then %d, then %d", previous, now, then)
		}
		previous = then
	}
}

// TestClockAgreesWithTheKernel holds a calibrated clock against the raw clock
// over another interval, to 1 %: this is no check of accuracy, but of units.
func TestClockAgreesWithTheKernel(t *testing.T) {
	clock, err := Calibrate()
	if err != nil {
		t.Fatal(err)
	}
	from, err := ReadAnchor(MonotonicRaw)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	to, _ := ReadAnchor(MonotonicRaw)
	got, want := float64(clock.Ns(to.Ticks-from.Ticks)), float64(to.Ns-from.Ns)
	if math.Abs(got-want)/want > 0.01 {
		t.Errorf("counter says %v ns, kernel %v", got, want)
	}
	if clock.Agreement > CalibrateTolerance {
		t.Errorf("calibrations differ by %v", clock.Agreement)
	}
}

func TestNsAndTicksAreInverse(t *testing.T) {
	for _, hz := range []float64{24e6, 1e9, 2.4454e9, 5.1e9} {
		clock := NewClock(hz)
		for _, ns := range []int64{0, 1000, 1e6, 1e9, 3600e9, 86400e9 * 365} {
			got := clock.Ns(clock.Ticks(ns))
			if d := math.Abs(float64(got - ns)); d > float64(ns)*1e-8+1e9/hz+1 {
				t.Errorf("%v Hz: %d ns came back as %d", hz, ns, got)
			}
		}
	}
}

// TestTimelineFollowsTheKernel also asks for times before its anchor and long
// after it.
func TestTimelineFollowsTheKernel(t *testing.T) {
	clock, err := Calibrate()
	if err != nil {
		t.Fatal(err)
	}
	line, err := NewTimeline(clock, Realtime)
	if err != nil {
		t.Fatal(err)
	}
	line.life = clock.Ticks(5_000_000) // re-anchor every 5 ms
	for range 8 {
		time.Sleep(3 * time.Millisecond)
		a, err := ReadAnchor(Realtime)
		if err != nil {
			t.Fatal(err)
		}
		if d := line.At(a.Ticks) - a.Ns; d < -5e6 || d > 5e6 {
			t.Errorf("timeline is %d ns off", d)
		}
	}
	before := line.anchor.Ticks - clock.Ticks(1_000_000)
	if d := line.anchor.Ns - line.At(before); d < 990_000 || d > 1_010_000 {
		t.Errorf("1 ms before the anchor is %d ns before it", d)
	}
}

func TestAddChainAgainstItsTwin(t *testing.T) {
	for _, n := range []uint64{0, 1, 2, 63, 1000} {
		if got, want := AddChain(n), addChainPortable(n); got != want {
			t.Errorf("AddChain(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestHintsDoNoHarm(t *testing.T) {
	Pause(0)
	Pause(100)
	Prefetch(nil) // never faults
	var x int
	Prefetch(unsafe.Pointer(&x))
}

// onThread runs f on a goroutine whose thread ends with it.
func onThread(f func()) {
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func TestPinIsReadBack(t *testing.T) {
	onThread(func() {
		cpus, err := Allowed()
		if err != nil {
			t.Skip(err)
		}
		for _, want := range cpus {
			if err := Pin(want); err != nil {
				t.Fatal(err)
			}
			got, _ := Allowed()
			on, _, err := Current()
			if err != nil || !slices.Equal(got, []int{want}) || on != want {
				t.Errorf("pinned to %d: allowed %v, running on %d, %v", want, got, on, err)
			}
		}
	})
}

func TestPinRefuses(t *testing.T) {
	onThread(func() {
		if _, err := Allowed(); err != nil {
			t.Skip(err)
		}
		for _, absent := range []int{-1, 16_000, 1 << 20} {
			if err := Pin(absent); err == nil {
				t.Errorf("pinned to CPU %d, which is not there", absent)
			}
		}
	})
}

func TestMismatchNamesBoth(t *testing.T) {
	err := error(&MismatchError{Asked: []int{3}, Got: []int{0, 1}})
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || err.Error() == "" {
		t.Error(err)
	}
}

func TestThreadsListsThisOne(t *testing.T) {
	list, err := Threads()
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || len(list) == 0 || len(list[0].Allowed) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	clock := NewClock(2e9)
	var sink int64
	if n := testing.AllocsPerRun(1000, func() { sink += clock.Ns(End() - Now()); Pause(1) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}

func BenchmarkNs(b *testing.B) {
	clock, d := NewClock(2.4454e9), Ticks(12345)
	for b.Loop() {
		d += Ticks(clock.Ns(d)) & 1
	}
}
