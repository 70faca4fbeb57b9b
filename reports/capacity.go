package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/record"
)

// loadsExhibit is the throughput-latency curve of a row. Which promise the knee
// kept, the row's own notes say.
func loadsExhibit(row record.Row) exhibit {
	reading := "Latency by the rate that was really kept: level while there is capacity, steep where there is none. The state of the control plane stands where it changes. Undisturbed are the events during which no loop lost time; shown, never judged."
	for _, note := range row.Notes {
		reading += " " + sentence(note)
	}
	return exhibit{name: row.Name() + ".capacity", draw: func() (*chart.Figure, error) { return loadsPlot(row) }, numbers: loadsTable(row), reading: reading}
}

func loadsPlot(row record.Row) (*chart.Figure, error) {
	series := []chart.Series{{Name: "p50"}, {Name: "p99"}, {Name: "p99.9"}, {Name: "p99, undisturbed"}}
	var remarks []chart.Note
	knee, state := 0.0, ""
	for _, l := range row.Loads {
		if l.Invalid != "" {
			continue
		}
		for i, ns := range []int64{l.P50, l.P99, l.P999, l.CalmP99} {
			series[i].Points = append(series[i].Points, chart.Point{X: l.Achieved, Y: float64(ns)})
		}
		if top := max(l.P50, l.P99, l.P999); l.State != state && l.State != "" && top > 0 {
			remarks = append(remarks, chart.Note{At: chart.Point{X: l.Achieved, Y: float64(top)}, Text: l.State})
			state = l.State
		}
		if l.Knee {
			knee = l.Achieved
		}
	}
	if !slices.ContainsFunc(row.Loads, func(l record.Load) bool { return l.CalmP99 > 0 }) {
		series = series[:3]
	}
	for i := range series {
		series[i].Marks = series[i].Points
	}
	return chart.Loads("latency of "+row.Name()+" by rate", plural(len(row.Loads), "rate"), series, knee, remarks)
}

func loadsTable(row record.Row) *table {
	t := &table{Caption: "What came of each offered rate", Head: heads("#offered", "#kept", "#share", "#p50", "#p99", "#p99.9", "#p99, undisturbed", "pressure", "remarks")}
	for _, l := range row.Loads {
		var remarks []string
		if l.Knee {
			remarks = append(remarks, "knee")
		}
		if l.Broken != "" {
			remarks = append(remarks, "not kept: "+l.Broken)
		}
		if l.Lost > 0 {
			remarks = append(remarks, fmt.Sprintf("%d lost", l.Lost))
		}
		if l.Invalid != "" {
			remarks = append(remarks, "does not count: "+l.Invalid)
		}
		cells := []cell{number(figure(l.Offered, "events/s"), l.Offered), number(figure(l.Achieved, "events/s"), l.Achieved), {}, duration(l.P50), duration(l.P99), duration(l.P999), {},
			{Text: cmp.Or(l.State, "not judged")}, {Text: strings.Join(remarks, "; "), Class: "why"}}
		if l.CalmP99 > 0 {
			cells[6] = duration(l.CalmP99)
		}
		if l.Offered > 0 {
			share := 100 * l.Achieved / l.Offered
			cells[2] = number(fmt.Sprintf("%.1f %%", share), share)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
