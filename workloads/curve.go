package workloads

import (
	"fmt"

	"eventstreamcore/engine/control"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// newPoint is one rate of one trial.
func newPoint(rate float64, c *course, s control.State, wrong string) record.Load {
	l := record.Load{Offered: rate, Invalid: wrong, State: s.String()}
	if wrong != "" {
		return l
	}
	hist, last := c.distribution(way.whole), len(c.ways)-1
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
	if k := reach(list, outcomes[0].by); k >= 0 {
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
		l.Lost += p.Lost
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

// reach is the highest rate that was kept by the percentile. -1 is none.
func reach(list []record.Load, by percentile) int {
	for i := len(list) - 1; i >= 0; i-- {
		if by.kept(list[i]) {
			return i
		}
	}
	return -1
}

// percentile is what of a rate's latencies a bound is put to.
type percentile struct {
	name string
	of   func(record.Load) int64
}

var (
	byP50 = percentile{"P50", func(l record.Load) int64 { return l.P50 }}
	byP99 = percentile{"P99", func(l record.Load) int64 { return l.P99 }}
)

// kept reports whether a rate was kept: taken as fast as it was due, with nothing
// lost and the percentile within the bound.
func (p percentile) kept(l record.Load) bool {
	return l.Invalid == "" && l.Lost == 0 && l.Achieved >= (1-paceSlack)*l.Offered && p.of(l) <= capacityBound
}

// note says what the figures of a row are.
func (p percentile) note() string {
	const bound = "capacity: the highest rate taken in full with %s < 100 us"
	if p.name == byP50.name {
		return fmt.Sprintf(bound+"; this host's own gaps put even the P99 of no load beyond that", p.name)
	}
	return fmt.Sprintf(bound, p.name)
}
