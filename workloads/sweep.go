package workloads

import (
	"errors"
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// idleRate is what the sweep calls no load, in events a second: each event finds
// the engine at rest, and there are still enough of them in a trial.
const idleRate = 20_000

// sweepShares are the rates of the sweep beside it, as shares of what the engine
// takes in a closed loop: the last ones are more than it can keep.
var sweepShares = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1.1, 1.5}

const (
	sweepMost   = 1 << 19 // bounds the events of one rate in one trial, and so its trace: 20 MB
	sweepProbe  = 1 << 16 // events of one run that finds the closed loop's rate
	sweepProbes = 5       // such runs: their median sets the rates

	// sweepBound is the latency in ns, from when an event was due, over which a
	// rate is not kept: the promise of the REALTIME lane.
	sweepBound = 100_000
)

// sweep offers the fused engine one rate after the other from the peer CPU: the
// throughput-latency curve. The row's own figures are of the closed loop that
// sets the rates, from the same publisher.
func sweep() Cell {
	return Cell{
		Params: params("plan", "fused", "load", "sweep"), Threads: 2, Needs: 2, FloorUnit: "ns/op", Floor: transferFloor,
		Open: sweeping,
	}
}

// Point is one offered rate of a trial.
type Point struct {
	Offered   float64 // events a second
	Achieved  float64
	Histogram *hdrhistogram.Histogram // ns, from when events were due to when they were stored; nil where Invalid
	Invalid   string
}

func sweeping(b *Bench) (Trial, error) {
	r, g, trace, err := b.pacedRig(event.High, sweepMost)
	if err != nil {
		return Trial{}, err
	}
	var rates []float64
	n := sweepProbe
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		if rates == nil {
			if rates, err = b.sweepRates(r, g); err != nil {
				return out, err
			}
			n = min(max(int(b.Time.Seconds()*rates[len(rates)-1]), sweepProbe), sweepMost)
		}
		ns, err := b.floodOnce(r, g, n)
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(n), Values: []record.Value{value("ns/op", ns), value("events/s", 1e9/ns)}}
		out.Placed = append(r.placed(), record.Placed{Role: "generator", CPU: b.Peer, Allowed: []int{b.Peer}})
		for _, rate := range rates {
			count := min(max(int(b.Time.Seconds()*rate), pacedLeast), sweepMost)
			run, c, wrong, err := b.paceOnce(r, g, trace, rate, count)
			if err != nil {
				return out, err
			}
			out.Points = append(out.Points, newPoint(rate, run, c, wrong))
		}
		return out, nil
	}}, nil
}

// sweepRates are the rates to offer, ascending, by what the closed loop reaches.
func (b *Bench) sweepRates(r *rig, g *generator) ([]float64, error) {
	var found []float64
	for range sweepProbes {
		ns, err := b.floodOnce(r, g, sweepProbe)
		if err != nil {
			return nil, err
		}
		found = append(found, 1e9/ns)
	}
	rates := []float64{idleRate}
	for _, share := range sweepShares {
		rates = append(rates, max(share*judge.Summarise(found).Center, idleRate))
	}
	return rates, nil
}

// floodOnce is the ns for each of n events, from the first published to the
// last stored.
func (b *Bench) floodOnce(r *rig, g *generator, n int) (ns float64, err error) {
	var failed error
	goal := r.engine.Stats().Stored + uint64(n)
	err = pinned(b.Peer, func() {
		began := cpu.Now()
		if failed = g.flood(n); failed != nil {
			return
		}
		for limit := began + b.Clock.Ticks(int64(trialLimit)); r.engine.Stats().Stored < goal; {
			if cpu.Now() > limit {
				failed = fmt.Errorf("%d of %d events not stored after %v", goal-r.engine.Stats().Stored, n, trialLimit)
				return
			}
		}
		ns = float64(b.Clock.Ns(cpu.End()-began)) / float64(n)
	})
	return ns, errors.Join(err, failed)
}

func newPoint(rate float64, run pacedRun, c course, wrong string) Point {
	p := Point{Offered: rate, Invalid: wrong}
	if wrong != "" {
		return p
	}
	p.Histogram = newHistogram()
	for _, w := range c.ways {
		recordLatency(p.Histogram, w.whole())
	}
	last := len(c.ways) - 1
	p.Achieved = float64(len(c.ways)) / (float64(c.due[last]+c.ways[last].whole()) / 1e9)
	return p
}

// loads merges the points of the trials, rate by rate, and finds the knee.
func loads(outcomes []Outcome) (list []record.Load) {
	if len(outcomes) == 0 {
		return nil
	}
	for i := range outcomes[0].Points {
		list = append(list, load(outcomes, i))
	}
	if k := reach(list, func(l record.Load) int64 { return l.P50 }); k >= 0 {
		list[k].Knee = true
	}
	return list
}

// load is what came of the i-th rate. One trial that counts is a point.
func load(outcomes []Outcome, i int) record.Load {
	l := record.Load{Offered: outcomes[0].Points[i].Offered}
	merged, achieved := newHistogram(), []float64(nil)
	for _, out := range outcomes {
		if p := out.Points[i]; p.Invalid == "" {
			merged.Merge(p.Histogram)
			achieved = append(achieved, p.Achieved)
		} else {
			l.Invalid = p.Invalid
		}
	}
	if len(achieved) > 0 {
		l.Invalid, l.Achieved = "", judge.Summarise(achieved).Center
		l.P50, l.P99, l.P999 = merged.ValueAtPercentile(50), merged.ValueAtPercentile(99), merged.ValueAtPercentile(99.9)
	}
	return l
}

// reach is the last rate up to which every one was kept: taken as fast as it was
// due, with the percentile within the bound. -1 is none.
func reach(list []record.Load, percentile func(record.Load) int64) int {
	for i, l := range list {
		if l.Invalid != "" || l.Achieved < (1-paceSlack)*l.Offered || percentile(l) > sweepBound {
			return i - 1
		}
	}
	return len(list) - 1
}

// kneeNote says what the knee is and where it would lie by a stricter rule: a
// host that takes its CPUs away has the P99 of every rate.
func kneeNote(list []record.Load) string {
	const rule = "knee: the highest rate taken as fast as it was due with a P50 under 100 us from due to stored, the promise of the REALTIME lane; by the P99 it would be "
	if k := reach(list, func(l record.Load) int64 { return l.P99 }); k >= 0 {
		return fmt.Sprintf("%s%.3g events/s", rule, list[k].Offered)
	}
	return rule + "under the lowest rate offered"
}
