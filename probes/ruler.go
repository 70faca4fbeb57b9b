package probes

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"eventstreamcore/engine/cpu"
)

// Ruler is what the clock was found to be. A Ruler comes from CheckRuler
// before a run and goes through Recheck after it.
type Ruler struct {
	Hz            float64 `json:"hz"`             // counter ticks per second
	ReadNs        float64 `json:"read_ns"`        // one cpu.Now after another, amortised
	FencedNs      float64 `json:"fenced_ns"`      // an empty interval: cpu.Now to cpu.End, median
	ResolutionNs  float64 `json:"resolution_ns"`  // the counter's step
	GHzBefore     float64 `json:"ghz_before"`     // effective rate by a chain of dependent additions
	GHzAfter      float64 `json:"ghz_after"`      // 0 until Recheck
	DriftBefore   float64 `json:"drift_before"`   // against CLOCK_MONOTONIC_RAW, relative
	DriftAfter    float64 `json:"drift_after"`    // the same over the whole run
	UncertaintyNs float64 `json:"uncertainty_ns"` // of the anchor on the kernel clock: half its bracket

	clock  cpu.Clock
	anchor cpu.Anchor
}

// Bounds of the ruler check.
const (
	rateMinGHz   = 0.4 // an effective clock rate below this is no CPU in use
	rateMaxGHz   = 6.5
	rateSame     = 0.05                   // relative change of the rate over a run
	driftWindow  = 100 * time.Millisecond // an anchor is good to 1 us or so: 10 ppm of this
	chainRounds  = 1600                   // of 64 additions: about 30 us at 3 GHz
	chainRepeats = 31
)

// ErrRuler wraps every reason for which the clock cannot be believed.
var ErrRuler = errors.New("the clock cannot be trusted")

// CheckRuler measures the clock on the CPU it happens to run on, for about
// 120 ms. An error that wraps ErrRuler makes the host UNFIT.
func CheckRuler(clock cpu.Clock) (Ruler, error) {
	anchor, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	if err != nil {
		return Ruler{}, err
	}
	r := Ruler{Hz: clock.Hz, clock: clock, anchor: anchor}
	r.UncertaintyNs = float64(clock.Ns(anchor.Width)) / 2
	r.ReadNs = readCost(clock)
	r.FencedNs = emptyInterval(clock)
	r.ResolutionNs = step(readDifferences()) / clock.Hz * 1e9
	r.GHzBefore = effectiveGHz(clock)
	time.Sleep(driftWindow)
	if r.DriftBefore, err = r.drift(); err != nil {
		return r, err
	}
	return r, r.judge(r.DriftBefore, r.GHzBefore)
}

// Recheck measures the rate again and the drift since CheckRuler, at the end of
// a run; its error wraps ErrRuler.
func (r *Ruler) Recheck() (err error) {
	r.GHzAfter = effectiveGHz(r.clock)
	if r.DriftAfter, err = r.drift(); err != nil {
		return err
	}
	if err := r.judge(r.DriftAfter, r.GHzAfter); err != nil {
		return err
	}
	if change := math.Abs(r.GHzAfter-r.GHzBefore) / r.GHzBefore; change > rateSame {
		return fmt.Errorf("%w: the CPU ran at %.2f GHz before and %.2f after, a change of %.0f %% (at most %.0f): fix the frequency (scripts/tune.sh), or run again",
			ErrRuler, r.GHzBefore, r.GHzAfter, change*100, rateSame*100)
	}
	return nil
}

func (r *Ruler) judge(drift, ghz float64) error {
	if math.Abs(drift) > cpu.CalibrateTolerance {
		return fmt.Errorf("%w: the counter drifts from CLOCK_MONOTONIC_RAW by %.3g (at most %g)", ErrRuler, drift, cpu.CalibrateTolerance)
	}
	if ghz < rateMinGHz || ghz > rateMaxGHz {
		return fmt.Errorf("%w: a chain of additions ran at %.3g GHz (believable: %.1f to %.1f)", ErrRuler, ghz, rateMinGHz, rateMaxGHz)
	}
	return nil
}

// drift is the relative error of the clock since the ruler's anchor.
func (r *Ruler) drift() (float64, error) {
	now, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	if err != nil {
		return 0, err
	}
	raw := float64(now.Ns - r.anchor.Ns)
	return (float64(r.clock.Ns(now.Ticks-r.anchor.Ticks)) - raw) / raw, nil
}

// effectiveGHz takes the fastest of many short chains: stolen time and
// interrupts only ever make one slower.
func effectiveGHz(clock cpu.Clock) float64 {
	best := math.MaxFloat64
	for range chainRepeats {
		best = min(best, timed(clock, chainRounds, func(n int) { cpu.AddChain(uint64(n)) }))
	}
	return chainRounds * 64 / best
}

const clockReads = 4096 // about 80 us: short beside the gaps between a guest's interruptions

func readCost(clock cpu.Clock) (ns float64) {
	costs := make([]float64, chainRepeats)
	for i := range costs {
		costs[i] = timed(clock, clockReads, func(n int) {
			for range n {
				cpu.Now()
			}
		}) / clockReads
	}
	slices.Sort(costs)
	return costs[len(costs)/2]
}

func emptyInterval(clock cpu.Clock) (ns float64) {
	widths := make([]cpu.Ticks, clockReads)
	for i := range widths {
		began := cpu.Now()
		widths[i] = cpu.End() - began
	}
	slices.Sort(widths)
	return float64(widths[len(widths)/2]) / clock.Hz * 1e9
}

// readDifferences counts the differences of successive reads, in ticks.
func readDifferences() map[cpu.Ticks]int {
	reads, counts := make([]cpu.Ticks, clockReads), map[cpu.Ticks]int{}
	for range 16 {
		for i := range reads {
			reads[i] = cpu.Now()
		}
		for i, r := range reads[1:] {
			counts[r-reads[i]]++
		}
	}
	return counts
}

// step is the counter's step in ticks, found from the differences of successive
// reads. A counter that moves by 24.45 ticks shows 49, 73, 74, 98: values a tick
// apart are one value, and the step is the least distance between two, or
// between one and 0. A counter that moves by single ticks shows one wide band.
func step(counts map[cpu.Ticks]int) float64 {
	var values []cpu.Ticks
	for d, n := range counts {
		if n >= clockReads/64 { // one-off differences are interruptions
			values = append(values, d)
		}
	}
	slices.Sort(values)
	least, band, previous := math.MaxFloat64, 0, 0.0
	for i := 0; i < len(values); i += band {
		for band = 1; i+band < len(values) && values[i+band]-values[i+band-1] == 1; band++ {
		}
		if band > 2 {
			return 1
		}
		centre := weightedMean(values[i:i+band], counts)
		if centre > 0 {
			least = min(least, centre-previous)
		}
		previous = centre
	}
	if least == math.MaxFloat64 {
		return 1
	}
	return least
}

func weightedMean(values []cpu.Ticks, counts map[cpu.Ticks]int) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		sum += float64(v) * float64(counts[v])
		n += counts[v]
	}
	return sum / float64(n)
}
