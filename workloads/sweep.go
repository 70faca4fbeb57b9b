package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// idleRate is what the sweep calls no load, in events a second: each event finds
// the engine at rest, and there are still enough of them in a trial.
const idleRate = 20_000

// sweepShares are the rates of the sweep beside it, as shares of what the engine
// takes in a closed loop: the last ones are more than it can keep.
var sweepShares = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1.1, 1.5}

const (
	sweepMost   = 1 << 19 // bounds the events of one rate in one trial, and so its trace: 20 MB
	floodMost   = 1 << 19 // events of a closed loop: a segment of the log, so that its change is in the rate
	floodRate   = 20e6    // events a second that are more than any engine takes: a trial's length in events
	sweepCold   = 8       // closed loops after which the log recycles its segments
	sweepProbes = 5       // further ones whose median sets the rates

	// sweepRest is the pause before each rate, in which the log makes its next
	// segment ready: that is no part of the rate that follows.
	sweepRest = 30 * time.Millisecond

	// sweepBound is the latency in ns, from when an event was due, over which a
	// rate is not kept: the promise of the REALTIME lane.
	sweepBound = 100_000
)

// sweep offers the fused engine one rate after the other from the peer CPU: the
// throughput-latency curve. The row's own figures are of a closed loop of the
// same publisher, by whose rate the others are set.
func sweep() Cell {
	return Cell{
		Params: params("plan", "fused", "load", "sweep"), Threads: 2, Needs: 2, FloorUnit: "ns/op", Floor: transferFloor,
		Open: sweeping,
	}
}

func sweeping(b *Bench) (Trial, error) {
	r, err := b.newPacedRig(standardEvent(event.High, pipelinePayload), sweepMost)
	if err != nil {
		return Trial{}, err
	}
	var rates []float64
	flood := min(max(int(b.Time.Seconds()*floodRate), pacedLeast), floodMost)
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		if rates == nil {
			if rates, err = b.sweepRates(r, flood); err != nil {
				return out, err
			}
		}
		for _, rate := range rates {
			time.Sleep(sweepRest)
			n := min(max(int(b.Time.Seconds()*rate), pacedLeast), sweepMost)
			began := r.relieve()
			_, wrong, err := r.run(b, drive.Schedule{Rate: rate}, n)
			if err != nil {
				return out, err
			}
			out.Loads = append(out.Loads, newPoint(rate, r.course, r.pressure(began), wrong))
		}
		time.Sleep(sweepRest)
		ns, err := r.flood(b, flood)
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(flood), Values: []record.Value{value("ns/op", ns), value("events/s", 1e9/ns)}}
		return out, nil
	}}, nil
}

// sweepRates are the rates to offer, ascending, by what the closed loop reaches
// once its log goes round in memory that it has used before.
func (b *Bench) sweepRates(r *pacedRig, events int) ([]float64, error) {
	var found []float64
	for i := range sweepCold + sweepProbes {
		ns, err := r.flood(b, events)
		if err != nil {
			return nil, err
		}
		if i >= sweepCold {
			found = append(found, 1e9/ns)
		}
	}
	rates := []float64{idleRate}
	for _, share := range sweepShares {
		rates = append(rates, max(share*judge.Summarise(found).Center, idleRate))
	}
	return rates, nil
}

// newPoint is one rate of one trial.
func newPoint(rate float64, c *course, s control.State, wrong string) record.Load {
	l := record.Load{Offered: rate, Invalid: wrong, State: s.String()}
	if wrong != "" {
		return l
	}
	hist, last := newHistogram(), len(c.ways)-1
	for _, w := range c.ways {
		recordLatency(hist, w.whole())
	}
	l.Achieved = float64(len(c.ways)) / (float64(c.due[last]+c.ways[last].whole()) / 1e9)
	l.P50, l.P99, l.P999 = hist.ValueAtPercentile(50), hist.ValueAtPercentile(99), hist.ValueAtPercentile(99.9)
	return l
}

// loads joins the trials, rate by rate, and finds the knee.
func loads(outcomes []Outcome) (list []record.Load) {
	if len(outcomes) == 0 {
		return nil
	}
	for i := range outcomes[0].Loads {
		list = append(list, load(outcomes, i))
	}
	if k := reach(list, func(l record.Load) int64 { return l.P50 }); k >= 0 {
		list[k].Knee = true
	}
	return list
}

// load is what came of the i-th rate: medians over the trials that count, as for
// every other figure, and the worst pressure of any.
func load(outcomes []Outcome, i int) record.Load {
	l := record.Load{Offered: outcomes[0].Loads[i].Offered}
	var achieved, p50, p99, p999 []float64
	worst := control.Healthy
	for _, out := range outcomes {
		p := out.Loads[i]
		if s, err := control.ParseState(p.State); err == nil {
			worst = max(worst, s)
		}
		if p.Invalid != "" {
			l.Invalid = p.Invalid
			continue
		}
		achieved = append(achieved, p.Achieved)
		p50 = append(p50, float64(p.P50))
		p99 = append(p99, float64(p.P99))
		p999 = append(p999, float64(p.P999))
	}
	if l.State = worst.String(); len(achieved) == 0 {
		return l
	}
	median := func(values []float64) float64 { return judge.Summarise(values).Center }
	l.Invalid, l.Achieved = "", median(achieved)
	l.P50, l.P99, l.P999 = int64(median(p50)), int64(median(p99)), int64(median(p999))
	return l
}

// reach is the highest rate that was kept: taken as fast as it was due, with the
// percentile within the bound. -1 is none.
func reach(list []record.Load, percentile func(record.Load) int64) int {
	for i := len(list) - 1; i >= 0; i-- {
		if l := list[i]; l.Invalid == "" && l.Achieved >= (1-paceSlack)*l.Offered && percentile(l) <= sweepBound {
			return i
		}
	}
	return -1
}

// kneeNote says what the knee is and where it would lie by a stricter rule: a
// host that takes its CPUs away has the P99 of every rate.
func kneeNote(list []record.Load) string {
	const rule = "knee: the highest rate taken in full with P50 < 100 us; with P99 < 100 us: "
	if k := reach(list, func(l record.Load) int64 { return l.P99 }); k >= 0 {
		return fmt.Sprintf("%s%.3g M/s", rule, list[k].Offered/1e6)
	}
	return rule + "none"
}
