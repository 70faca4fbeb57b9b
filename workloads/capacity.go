package workloads

import (
	"errors"
	"math"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
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

	capacityMost = 1 << 20 // bounds the events of one rate in one trial, and so its trace: 80 MB

	// capacityRest is the pause before each rate, in which the log makes its next
	// segment ready: that is no part of the rate that follows.
	capacityRest = 30 * time.Millisecond

	// capacityRuns is how many times a trial's length one of these takes, roughly:
	// the trials are divided by as many, and a bit.
	capacityRuns = 5

	// beyondFor is for how long at least a rate beyond the capacity is offered: until
	// lanes are full, and the pressure was judged.
	beyondFor = 2*control.Every + control.Every/10
)

// capacityShares are the rates of the throughput-latency curve beside no load:
// the last ones are more than can be kept.
var capacityShares = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.5}

// offered is a way in, to which rates are offered.
type offered interface {
	// offer sends n events at the rate and says what came of it. What is wrong with
	// the run stands in the point; an error is what ends the bench.
	offer(b *Bench, rate float64, n int) (record.Load, error)
	// beyond says what becomes of what is offered beyond the capacity.
	beyond() string
	close() error
}

// survey is a capacity cell between its trials: the first finds roughly what the
// capacity is, each of the others goes through the curve around that and searches again.
type survey struct {
	bench *Bench
	to    offered
	most  float64 // events a second: more than is conceivable
	by    percentile
	near  float64   // what was found first; 0 before that
	rates []float64 // of the curve
}

// capacity searches for the highest rate that is kept, once with trials that are
// short at first and between 0 and most, then in each trial with long ones
// around that; and goes through the shares of what was found first: the
// throughput-latency curve.
func capacity(b *Bench, to offered, most float64) Trial {
	s := &survey{bench: b, to: to, most: most}
	return Trial{Close: to.close, Run: s.run}
}

func (s *survey) run() (out Outcome, err error) {
	if s.near == 0 {
		return out, s.begin() // it warms up, too
	}
	if out.Loads, err = s.curve(); err != nil {
		return out, err
	}
	kept, err := refine(s.near, s.by, s.share)
	if err != nil {
		return out, err
	}
	out.Trial = record.Trial{N: int64(kept * s.bench.Time.Seconds())}
	if out.by, out.beyond = s.by, s.to.beyond(); kept == 0 {
		out.Invalid = notKept
		return out, nil
	}
	out.Values = []record.Value{value("ns/op", 1e9/kept), value("events/s", kept)}
	return out, nil
}

// notKept is why a trial found no capacity.
const notKept = "no rate was kept"

// begin chooses what the bound is put to, and has a first idea of the capacity.
func (s *survey) begin() error {
	kept := 0
	const idles = 3
	for range idles {
		idle, err := s.share(idleRate, 1)
		if err != nil {
			return err
		}
		if byP99.kept(idle) {
			kept++
		}
	}
	if s.by = byP99; kept <= idles/2 {
		s.by = byP50
	}
	first, err := estimate(s.most, s.by, s.share)
	if err != nil {
		return err
	}
	s.near = max(first, idleRate)
	s.rates = curveRates(s.near)
	return s.extend()
}

// extend has the curve end where not only the latency breaks, but the engine takes
// no more: the promise may be broken long before.
func (s *survey) extend() error {
	rate := s.rates[len(s.rates)-1]
	for rate < s.most {
		point, err := s.share(rate, 1)
		if err != nil {
			return err
		}
		if point.Invalid != "" || point.LostShare > 0 || !point.InFull(paceSlack) {
			break
		}
		rate = min(1.5*rate, s.most)
	}
	if rate > s.rates[len(s.rates)-1] {
		s.rates = append(s.rates, rate)
	}
	return nil
}

// curve offers no load, then each share of the capacity.
func (s *survey) curve() (points []record.Load, err error) {
	for _, rate := range s.rates {
		length := s.bench.Time
		if rate > s.near {
			length = max(s.bench.Time, beyondFor)
		}
		point, err := s.offer(rate, length)
		if err != nil {
			return nil, err
		}
		points = append(points, point)
	}
	return points, nil
}

// share is offer for a share of a trial's length.
func (s *survey) share(rate, share float64) (record.Load, error) {
	return s.offer(rate, time.Duration(share*float64(s.bench.Time)))
}

func (s *survey) offer(rate float64, length time.Duration) (record.Load, error) {
	time.Sleep(capacityRest)
	n := min(max(int(length.Seconds()*rate), pacedLeast), capacityMost)
	return s.to.offer(s.bench, rate, n)
}

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

// refine is the capacity near to what it was found to be. Where it has moved
// since, for the host became slower or faster, it is looked for further off: 0 is
// that not even no load is kept.
func refine(near float64, by percentile, offer offering) (float64, error) {
	s := search{low: near / 1.3, high: near * 1.3, by: by, offer: offer}
	if err := s.halve(4, 1); err != nil {
		return 0, err
	}
	switch {
	case s.proved && s.missed:
		return s.low, nil
	case s.proved:
		s.high *= 2
		err := s.halve(3, 1)
		return s.low, err
	}
	for ; s.low > idleRate && !s.proved; s.high = s.low {
		s.low = max(s.low/2, idleRate)
		kept, err := s.try(s.low, 1)
		if err != nil {
			return 0, err
		}
		if s.proved = kept; kept {
			break
		}
	}
	if !s.proved {
		return 0, nil
	}
	err := s.halve(3, 1)
	return s.low, err
}

// search is a bracket of rates: low is kept, or taken to be, and high is not.
type search struct {
	low, high float64
	proved    bool // that low is kept
	missed    bool // that high is not
	by        percentile
	offer     offering
}

// halve tries the rate in the middle, by ratio, so many times.
func (s *search) halve(times int, share float64) error {
	for range times {
		rate := math.Sqrt(s.low * s.high)
		kept, err := s.try(rate, share)
		switch {
		case err != nil:
			return err
		case kept:
			s.low, s.proved = rate, true
		default:
			s.high, s.missed = rate, true
		}
	}
	return nil
}

// try reports whether a rate is kept. One that is not is tried once more: what
// the host does fails a trial, and makes none succeed that should not.
func (s *search) try(rate, share float64) (kept bool, err error) {
	for range 2 {
		point, err := s.offer(rate, share)
		if err != nil || s.by.kept(point) {
			return err == nil, err
		}
	}
	return false, nil
}

// offer publishes from the peer CPU.
func (p *pacedRig) offer(b *Bench, rate float64, n int) (record.Load, error) {
	began := p.relieve()
	run, err := p.run(b, drive.Schedule{Rate: rate}, n)
	if err != nil {
		return record.Load{}, err
	}
	return newPoint(rate, n, p.course, run.lost, p.state(began), run.wrong), nil
}

func (p *pacedRig) beyond() string { return beyondLoses }

// published is the capacity cell of the engine for what one thread on another
// CPU publishes. threads counts that one.
func published(plan string, threads int, make func(*Bench) engine.Plan) Cell {
	return capacityCell(params("plan", plan, "load", "capacity"), threads, func(b *Bench) (Trial, error) {
		p, err := b.newPacedRig(make(b), standardEvent(event.High, pipelinePayload), forCapacity, capacityMost)
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

// warm has the log go round once in memory, which is slower the first time. What
// it publishes at once is less than a lane holds, so that nothing is given up on.
func (p *pacedRig) warm(b *Bench) error {
	for range warmEvents / warmAtOnce {
		if _, err := p.flood(b, warmAtOnce); err != nil {
			return err
		}
	}
	return nil
}

// warmEvents are eight segments, after which the log recycles them.
const (
	warmEvents = 8 << 19
	warmAtOnce = 1 << 13
)
