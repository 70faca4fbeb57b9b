// Package probes measures the hardware: what the clock can resolve, what a
// cache line costs to move, what memory, loopback and disk cost at the least,
// and whether the machine may be believed.
//
// It takes the position that a figure without its uncertainty is a rumour.
// Every measurer is told its CPUs and its budget, pins itself, keeps all of its
// samples and returns their median with the 95 % interval of that median; what
// could not be measured or read is an error or the word unknown, never a
// default. Measurers run one at a time: two at once measure each other.
package probes

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/perf/benchmath"

	"eventstreamcore/engine/cpu"
)

// Floor is the least that one operation costs on this machine: the median of
// all samples, in nanoseconds, and the 95 % interval of that median.
type Floor struct {
	Name string  `json:"name"`
	Ns   float64 `json:"ns"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	N    int     `json:"n"`   // samples
	How  string  `json:"how"` // what was timed, where, and how often

	Samples []float64 `json:"-"` // ns an operation, in the order taken
}

func (f Floor) String() string {
	return fmt.Sprintf("%s %.4g ns [%.4g, %.4g] n=%d", f.Name, f.Ns, f.Low, f.High, f.N)
}

const (
	confidence = 0.95
	samplesMin = 6       // below this the median has no 95 % interval
	samplesMax = 1 << 12 // bounds what a long budget keeps
)

// ErrOneCPU says that a measurement needs two CPUs and has one.
var ErrOneCPU = errors.New("not measured: " + oneCPU)

const oneCPU = "one CPU"

// refusedError says that this machine does not give what was to be measured, which is
// no failure of the measurer.
type refusedError struct{ what, why string }

func (e *refusedError) Error() string { return e.what + ": not measured: " + e.why }

// floorsOf takes the steps in turn. What one is refused is missing, and any other
// error ends it, with what was measured until then.
func floorsOf(steps []func() (Floor, error)) (floors []Floor, missing []string, err error) {
	for _, step := range steps {
		f, err := step()
		var refused *refusedError
		switch {
		case errors.As(err, &refused):
			missing = append(missing, refused.Error())
		case err != nil:
			return floors, missing, err
		default:
			floors = append(floors, f)
		}
	}
	return floors, missing, nil
}

// newFloor summarises samples without assuming a distribution.
func newFloor(name, how string, samples []float64) (Floor, error) {
	if len(samples) < samplesMin {
		return Floor{}, fmt.Errorf("%s: %d samples within the budget, %d are needed: give it more time", name, len(samples), samplesMin)
	}
	sorted := benchmath.NewSample(slices.Clone(samples), &benchmath.DefaultThresholds)
	s := benchmath.AssumeNothing.Summary(sorted, confidence)
	low, high := math.Max(s.Lo, sorted.Values[0]), math.Min(s.Hi, sorted.Values[len(samples)-1])
	return Floor{Name: name, Ns: s.Center, Low: low, High: high, N: len(samples), How: how, Samples: samples}, nil
}

// batchNs is how long one sample lasts at the least: 2,000 steps of a 10 ns
// counter, so that the clock's share of a sample is 0.1 %.
const batchNs = 20_000

// batchMax bounds the operations of one sample.
const batchMax = 1 << 30

// amortise times op in batches that last batchNs or more, until the budget is
// spent, and returns nanoseconds an operation. op performs n operations. The
// first, growing batches warm caches and are not kept.
func amortise(clock cpu.Clock, budget time.Duration, op func(n int)) (samples []float64) {
	n := 1
	for ; n < batchMax; n *= 2 {
		if timed(clock, n, op) >= batchNs {
			break
		}
	}
	return sampleUntil(clock, budget, func() float64 { return timed(clock, n, op) / float64(n) })
}

func timed(clock cpu.Clock, n int, op func(n int)) (ns float64) {
	began := cpu.Now()
	op(n)
	return float64(clock.Ns(cpu.End() - began))
}

// sampleUntil takes samples until the budget is spent, samplesMin at the least
// and samplesMax at the most.
func sampleUntil(clock cpu.Clock, budget time.Duration, sample func() float64) (samples []float64) {
	end := cpu.Now() + clock.Ticks(int64(budget))
	for len(samples) < samplesMax {
		samples = append(samples, sample())
		if len(samples) >= samplesMin && cpu.Now() >= end {
			break
		}
	}
	return samples
}
