package reports

import (
	"fmt"
	"slices"
	"time"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// trendPart shows figures over all runs: those that targets are stated for, and
// on demand all others.
func trendPart(runs []Loaded) part {
	p := part{ID: "trends", Title: "Over " + plural(len(runs), "run"), Lead: "Medians with their 95 % intervals, by when the runs were. Runs of other hardware than the newest are left out."}
	judged, others := trendExhibits(runs)
	p.show(judged...)
	p.fold("Figures without a target", others)
	return p
}

// trendExhibits is a plot for each figure of the newest run that is held against
// a target, and one for the first unit of every other row.
func trendExhibits(runs []Loaded) (judged, others []exhibit) {
	alike := likeNewest(runs)
	seen := map[string]bool{}
	for _, row := range runs[len(runs)-1].Run.Rows {
		held := false
		for _, j := range row.Judgements {
			name := row.Name() + " in " + j.Unit
			if held = held || j.N > 0; j.N > 0 && !seen[name] {
				seen[name] = true
				level := chart.Level{Name: "target " + j.Target + ": " + bound(j.Bound, j.Unit, j.AtLeast), At: j.Bound}
				judged = append(judged, trendExhibit(alike, row, j.Unit, level))
			}
		}
		if units := row.Units(); !held && len(units) > 0 {
			others = append(others, trendExhibit(alike, row, units[0]))
		}
	}
	return judged, others
}

// dated is the figures of a run and when it was.
type dated struct {
	judge.Side
	started time.Time
}

// likeNewest is the runs on the hardware of the newest, in the order of time.
func likeNewest(runs []Loaded) (alike []dated) {
	hardware := runs[len(runs)-1].Run.Hardware()
	for _, r := range runs {
		if slices.Equal(hardware, r.Run.Hardware()) {
			alike = append(alike, dated{judge.SideOf(r.Name, r.Run), r.Run.Started})
		}
	}
	slices.SortStableFunc(alike, func(a, b dated) int { return a.started.Compare(b.started) })
	return alike
}

func trendExhibit(runs []dated, row record.Row, unit string, levels ...chart.Level) exhibit {
	name := row.Name() + " in " + unit
	var moments []chart.Moment
	for _, r := range runs {
		values := r.Values(row.Benchmark(), unit)
		if len(values) == 0 {
			continue
		}
		s := judge.Summarise(values)
		m := chart.Moment{Name: r.started.UTC().Format("01-02 15:04"), At: s.Center}
		if s.Bounded {
			m.Low, m.High = s.Low, s.High
		}
		moments = append(moments, m)
	}
	reading := fmt.Sprintf("%s over %s", name, plural(len(moments), "run"))
	for _, l := range levels {
		reading += ", held against " + l.Name
	}
	return exhibit{name: "trend of " + name, reading: reading + ".", draw: func() (*chart.Figure, error) {
		return chart.Trend(name, plural(len(moments), "run"), moments, func(v float64) string { return tick(v, unit) }, levels)
	}}
}
