package cpu

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Clock turns Ticks into nanoseconds. It is a small value: copy it.
type Clock struct {
	mult      uint64  // nanoseconds per tick, times 2^32
	Hz        float64 // ticks per second
	Agreement float64 // relative difference of the last two estimates
}

// ErrUnsteady says that two calibrations of the counter did not agree.
var ErrUnsteady = errors.New("counter and CLOCK_MONOTONIC_RAW do not keep pace")

const (
	calibrateFirst = 5 * time.Millisecond // first window; doubles each round
	calibrateLast  = 320 * time.Millisecond
	// CalibrateTolerance is the relative difference under which two successive
	// estimates of the rate are taken as one.
	CalibrateTolerance = 0.001
)

// Calibrate measures the counter's rate against CLOCK_MONOTONIC_RAW in windows
// that double from 5 ms, until two estimates agree to 0.1 %; it gives up after
// a window of 320 ms with ErrUnsteady. CLOCK_MONOTONIC is not used: it is
// slewed, by 0.5 ms in 10 s as a rule.
func Calibrate() (Clock, error) {
	if !HasCounter {
		return newClock(1e9, 0), nil
	}
	previous := 0.0
	for window := calibrateFirst; window <= calibrateLast; window *= 2 {
		hz, err := rate(window)
		if err != nil {
			return Clock{}, err
		}
		agreement := math.Abs(hz-previous) / hz
		if agreement <= CalibrateTolerance {
			return newClock(hz, agreement), nil
		}
		previous = hz
	}
	return Clock{}, fmt.Errorf("calibrating over %v: %w", calibrateLast, ErrUnsteady)
}

// rate counts ticks over one window of raw time.
func rate(window time.Duration) (hz float64, err error) {
	from, err := ReadAnchor(MonotonicRaw)
	if err != nil {
		return 0, err
	}
	time.Sleep(window)
	to, err := ReadAnchor(MonotonicRaw)
	if err != nil {
		return 0, err
	}
	return float64(to.Ticks-from.Ticks) / float64(to.Ns-from.Ns) * 1e9, nil
}

func newClock(hz, agreement float64) Clock {
	return Clock{mult: uint64(math.Round(1e9 / hz * (1 << 32))), Hz: hz, Agreement: agreement}
}

// NewClock is a clock of a known rate in ticks per second: for tests, whose
// time is their own.
func NewClock(hz float64) Clock { return newClock(hz, 0) }

// Ns is the length in nanoseconds of an interval of d ticks. Intervals run from
// 0 to 2^63 ns; a difference that went backwards is the caller's to refuse.
func (c Clock) Ns(d Ticks) int64 {
	hi, lo := bits.Mul64(uint64(d), c.mult)
	return int64(hi<<32 | lo>>32)
}

// Ticks is the number of ticks in ns nanoseconds.
func (c Clock) Ticks(ns int64) Ticks { return Ticks(float64(ns) * c.Hz / 1e9) }

// Source names a kernel clock.
type Source int32

// The kernel clocks that a Timeline can follow.
const (
	Realtime     Source = 0 // CLOCK_REALTIME: the record's time of receipt
	MonotonicRaw Source = 4 // CLOCK_MONOTONIC_RAW: never slewed, the same in every process
)

// Anchor is one instant on two clocks.
type Anchor struct {
	Ticks Ticks
	Ns    int64 // on the kernel clock
	Width Ticks // between the two counter reads that bracket Ns
}

const anchorReads = 5 // a preempted read shows as a wide bracket: keep the tightest of these

// ReadAnchor reads a kernel clock between two counter reads, several times, and
// keeps the tightest pair; half its Width is the uncertainty.
func ReadAnchor(s Source) (Anchor, error) {
	best := Anchor{Width: math.MaxUint64}
	for range anchorReads {
		before := Now()
		ns, err := readClock(s)
		if err != nil {
			return Anchor{}, err
		}
		after := End()
		if width := after - before; width < best.Width {
			best = Anchor{Ticks: before + width/2, Ns: ns, Width: width}
		}
	}
	return best, nil
}

// reanchorNs is how long a Timeline trusts one anchor: at 0.1 % of error in the
// rate it bounds the drift to 100 us, and at the usual 1e-5 to 1 us.
const reanchorNs = 100_000_000

// Timeline follows a kernel clock by the counter, so that reading the time
// costs a multiplication. It belongs to one goroutine.
type Timeline struct {
	clock    Clock
	source   Source
	anchor   Anchor
	life     Ticks
	Residual int64 // ns that the last anchor stood off from what was predicted
}

// NewTimeline anchors c on the kernel clock s.
func NewTimeline(c Clock, s Source) (*Timeline, error) {
	a, err := ReadAnchor(s)
	if err != nil {
		return nil, err
	}
	return &Timeline{clock: c, source: s, anchor: a, life: c.Ticks(reanchorNs)}, nil
}

// At is the kernel clock's time in nanoseconds at now, which must not lie
// before an anchor by more than a few milliseconds. Every 100 ms it reads the
// kernel clock anew and notes by how much the prediction was off.
func (t *Timeline) At(now Ticks) int64 {
	if d := now - t.anchor.Ticks; int64(d) >= 0 && d < t.life {
		return t.anchor.Ns + t.clock.Ns(d)
	}
	return t.reanchor(now)
}

func (t *Timeline) reanchor(now Ticks) int64 {
	if int64(now-t.anchor.Ticks) < 0 { // a stamp taken just before the anchor
		return t.anchor.Ns - t.clock.Ns(t.anchor.Ticks-now)
	}
	predicted := t.anchor.Ns
	if a, err := ReadAnchor(t.source); err == nil {
		predicted += t.clock.Ns(a.Ticks - t.anchor.Ticks)
		t.Residual = a.Ns - predicted
		t.anchor = a
	}
	return t.anchor.Ns + int64(float64(int64(now-t.anchor.Ticks))*1e9/t.clock.Hz)
}
