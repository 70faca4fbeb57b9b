package workloads

import (
	"fmt"
	"math"
	"strconv"

	"eventstreamcore/engine/control"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// newPoint is one rate of one trial, at which so many events were sent.
func newPoint(rate float64, sent int, c *course, lost uint64, state, wrong string) record.Load {
	l := record.Load{Offered: rate, Invalid: wrong, State: state, Lost: int64(lost), LostShare: float64(lost) / float64(sent)}
	if wrong != "" {
		return l
	}
	hist, last := c.distribution(way.whole), len(c.ways)-1
	l.Achieved = float64(len(c.ways)) / (float64(c.due[last]+c.ways[last].whole()) / 1e9)
	l.P50, l.P99, l.P999 = hist.ValueAtPercentile(50), hist.ValueAtPercentile(99), hist.ValueAtPercentile(99.9)
	if calm := c.undisturbed(way.whole); calm != nil && judge.MaxPercentile(calm.TotalCount()) >= 99 {
		l.CalmP99 = calm.ValueAtPercentile(99)
	}
	return l
}

// loads joins the trials, rate by rate, says of each in which way it was not
// kept, and finds the knee.
func loads(outcomes []Outcome) (list []record.Load) {
	if len(outcomes) == 0 {
		return nil
	}
	by := outcomes[0].by
	for i := range outcomes[0].Loads {
		l := load(outcomes, i)
		l.Broken = by.broken(l)
		list = append(list, l)
	}
	if k := reach(list, by); k >= 0 {
		list[k].Knee = true
	}
	return list
}

// load is what came of the i-th rate: medians over the trials that count, as for
// every other figure, and the worst pressure of any.
func load(outcomes []Outcome, i int) record.Load {
	l := record.Load{Offered: outcomes[0].Loads[i].Offered}
	figures := make([][]float64, 6)
	for _, out := range outcomes {
		p := out.Loads[i]
		l.State = worse(l.State, p.State)
		if p.Invalid != "" {
			l.Invalid = p.Invalid
			continue
		}
		l.Lost += p.Lost
		for j, v := range []float64{p.Achieved, float64(p.P50), float64(p.P99), float64(p.P999), float64(p.CalmP99), p.LostShare} {
			figures[j] = append(figures[j], v)
		}
	}
	if len(figures[0]) == 0 {
		return l
	}
	median := func(j int) float64 { return judge.Summarise(figures[j]).Center }
	l.Invalid, l.Achieved, l.LostShare = "", median(0), median(5)
	l.P50, l.P99, l.P999, l.CalmP99 = int64(median(1)), int64(median(2)), int64(median(3)), int64(median(4))
	return l
}

// worse is the worse of two states, of which either may not be known.
func worse(a, b string) string {
	one, err := control.ParseState(a)
	if err != nil {
		return b
	}
	if other, err := control.ParseState(b); err == nil && other > one {
		return b
	}
	return a
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

	// byCalm is shown, never judged.
	byCalm = percentile{"the undisturbed P99", func(l record.Load) int64 {
		if l.CalmP99 == 0 { // too few, or nobody watched
			return math.MaxInt64
		}
		return l.CalmP99
	}}
)

// kept reports whether a rate was kept: taken as fast as it was due, with nothing
// lost and the percentile within the bound.
func (p percentile) kept(l record.Load) bool { return l.Invalid == "" && p.broken(l) == "" }

// broken says in which way a rate was not kept, or "".
func (p percentile) broken(l record.Load) string {
	percent := func(share float64) string { return strconv.FormatFloat(100*share, 'g', 2, 64) + " %" }
	switch {
	case l.Invalid != "":
		return ""
	case l.LostShare > 0:
		return percent(l.LostShare) + " lost"
	case !l.InFull(paceSlack):
		return "taken at " + percent(l.Achieved/l.Offered) + " of the rate"
	case p.of(l) > capacityBound:
		return p.name + " beyond 100 us"
	}
	return ""
}

// What becomes of what is offered beyond the capacity.
const (
	beyondHeld  = "senders over TCP are held: what is beyond the capacity waits with them, as latency, and the pressure stays HEALTHY by design"
	beyondLoses = "what is beyond the capacity is lost, to the engine's default policies or to the kernel before that, and counted; latencies are of what was stored"
)

// notes say what the figures of a capacity are: by what it was judged, what it
// would be without the host's own gaps, and what becomes of the rest.
func notes(list []record.Load, out Outcome) []string {
	note := fmt.Sprintf("capacity: the highest rate taken in full with %s < 100 us", out.by.name)
	if out.by.name == byP50.name {
		note += "; this host's own gaps put even the P99 of no load beyond that"
	}
	calm := "no rate of the curve is kept by " + byCalm.name
	if k := reach(list, byCalm); k >= 0 {
		calm = fmt.Sprintf("by %s, shown and not judged, the curve's highest rate kept is %.3g events/s", byCalm.name, list[k].Offered)
	}
	return []string{note, calm, out.beyond}
}

// pressed says what pressure trials at full rate came under, "" where none was judged.
func pressed(outcomes []Outcome) string {
	state := ""
	for _, out := range outcomes {
		state = worse(state, out.State)
	}
	if state == "" {
		return ""
	}
	return "pressure at full rate: " + state
}
