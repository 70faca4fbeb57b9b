package workloads

import (
	"errors"
	"math"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// Capacity is the highest rate that a way into the engine keeps: every event
// taken, at the rate at which they were due, with the latency from when it was
// due within the promise of the REALTIME lane.

const (
	// capacityBound is that promise, in ns.
	capacityBound = 100_000

	// idleRate is what is called no load, in events a second: each event finds the
	// engine at rest, and there are still enough of them in a trial.
	idleRate = 20_000

	capacityMost = 1 << 19 // bounds the events of one rate in one trial, and so its trace: 20 MB

	// capacityRest is the pause before each rate, in which the log makes its next
	// segment ready: that is no part of the rate that follows.
	capacityRest = 30 * time.Millisecond

	// capacityRuns is how many times a trial's length one of these takes, roughly:
	// the trials are divided by as many, and a bit.
	capacityRuns = 5
)

// capacityShares are the rates of the throughput-latency curve beside no load:
// the last ones are more than can be kept.
var capacityShares = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.5}

// offered is a way in, to which rates are offered.
type offered interface {
	// offer sends n events at the rate and says what came of it. What is wrong with
	// the run stands in the point; an error is what ends the bench.
	offer(b *Bench, rate float64, n int) (record.Load, error)
	close() error
}

// capacity searches for the highest rate that is kept, once with trials that are
// short at first and between 0 and most, then in each trial with long ones
// around that; and goes through the shares of what was found first: the
// throughput-latency curve.
func capacity(b *Bench, to offered, most float64) Trial {
	var rates []float64
	var by percentile
	offer := func(rate, share float64) (record.Load, error) {
		time.Sleep(capacityRest)
		n := min(max(int(share*b.Time.Seconds()*rate), pacedLeast), capacityMost)
		return to.offer(b, rate, n)
	}
	return Trial{Close: to.close, Run: func() (out Outcome, err error) {
		if rates == nil {
			idle, err := offer(idleRate, 1)
			if err != nil {
				return out, err
			}
			if by = byP99; !by.kept(idle) {
				by = byP50
			}
			first, err := estimate(most, by, offer)
			if err != nil {
				return out, err
			}
			rates = curveRates(first)
			return out, nil // it warmed up, too
		}
		for _, rate := range rates {
			point, err := offer(rate, 1)
			if err != nil {
				return out, err
			}
			out.Loads = append(out.Loads, point)
		}
		kept, err := refine(rates[len(rates)-1]/capacityShares[len(capacityShares)-1], by, offer)
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(kept * b.Time.Seconds())}
		if out.by = by; kept == 0 {
			out.Invalid = notKept
			return out, nil
		}
		out.Values = []record.Value{value("ns/op", 1e9/kept), value("events/s", kept)}
		return out, nil
	}}
}

// notKept is why a trial found no capacity: what came before it found one.
const notKept = "no rate was kept"

// curveRates are the rates to go through for a capacity, ascending.
func curveRates(capacity float64) []float64 {
	rates := []float64{idleRate}
	for _, share := range capacityShares {
		rates = append(rates, max(share*capacity, idleRate))
	}
	return rates
}

// offering sends at a rate for a share of a trial's length.
type offering func(rate, share float64) (record.Load, error)

// estimate is a first idea of the capacity: short trials close a bracket from no
// load to the most that is conceivable, long ones make sure of it.
func estimate(most float64, by percentile, offer offering) (float64, error) {
	s := search{low: idleRate, high: max(most, 2*idleRate), by: by, offer: offer}
	if err := s.halve(6, 0.125); err != nil {
		return 0, err
	}
	s.low, s.high = max(s.low/1.1, idleRate), s.high*1.1
	err := s.halve(3, 1)
	return s.low, err
}

// refine is the capacity near to what it was found to be: 0 is below all of that.
func refine(near float64, by percentile, offer offering) (float64, error) {
	s := search{low: near / 1.3, high: near * 1.3, by: by, offer: offer}
	if err := s.halve(4, 1); err != nil || s.proved {
		return s.low, err
	}
	point, err := offer(s.low, 1)
	if err != nil || !by.kept(point) {
		return 0, err
	}
	return s.low, nil
}

// search is a bracket of rates: low is kept, or taken to be, and high is not.
type search struct {
	low, high float64
	proved    bool // that low is kept
	by        percentile
	offer     offering
}

// halve tries the rate in the middle, by ratio, so many times. A rate that is
// not kept is tried once more: what the host does fails a trial, and makes none
// succeed that should not.
func (s *search) halve(times int, share float64) error {
	for range times {
		rate := math.Sqrt(s.low * s.high)
		kept := false
		for try := 0; try < 2 && !kept; try++ {
			point, err := s.offer(rate, share)
			if err != nil {
				return err
			}
			kept = s.by.kept(point)
		}
		if kept {
			s.low, s.proved = rate, true
		} else {
			s.high = rate
		}
	}
	return nil
}

// offer publishes from the peer CPU.
func (p *pacedRig) offer(b *Bench, rate float64, n int) (record.Load, error) {
	began := p.relieve()
	_, wrong, err := p.run(b, drive.Schedule{Rate: rate}, n)
	if err != nil {
		return record.Load{}, err
	}
	return newPoint(rate, p.course, p.pressure(began), wrong), nil
}

// published is the capacity cell of the engine for what one thread on another
// CPU publishes. threads counts that one.
func published(plan string, threads int, make func(*Bench) engine.Plan) Cell {
	return capacityCell(params("plan", plan, "load", "capacity"), threads, func(b *Bench) (Trial, error) {
		p, err := b.newPacedRig(make(b), standardEvent(event.High, pipelinePayload), metrics.NewTrace, capacityMost)
		if err != nil {
			return Trial{}, err
		}
		if err := p.warm(b); err != nil {
			return Trial{}, errors.Join(err, p.close())
		}
		return capacity(b, p, publishedMost), nil
	})
}

func capacityCell(named []record.Param, threads int, open func(*Bench) (Trial, error)) Cell {
	return Cell{Params: named, Threads: threads, Needs: threads, Rare: capacityRuns, FloorUnit: "ns/op", Floor: transferFloor, Open: open}
}

// More, in events a second, than any engine takes from a publisher on another
// CPU, and from a connection.
const (
	publishedMost = 30e6
	sentMost      = 20e6
)

// warm has the log go round once in memory, which is slower the first time.
func (p *pacedRig) warm(b *Bench) error {
	for range warmFloods {
		if _, err := p.flood(b, capacityMost); err != nil {
			return err
		}
	}
	return nil
}

// warmFloods of capacityMost events are as many segments, after which the log
// recycles them.
const warmFloods = 8
