package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// hardwarePart shows what the machine itself costs.
func hardwarePart(run record.Run) part {
	p := part{ID: "hardware", Title: "Hardware", Lead: "What the machine itself costs, under everything that the engine does."}
	for _, m := range run.Matrices {
		figure, err := matrixPlot(m)
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, m.Name+", in "+m.Unit+": from each "+m.From+" (downwards) to each "+m.To+" (across). Blocks of one colour are what share a cache or a node. "+m.How))
	}
	for _, s := range run.Caches {
		figure, err := sweepPlot(s)
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, s.Name+" as the working set grows: a step up is a cache left behind. "+s.How))
	}
	for _, s := range run.Strips {
		figure, err := stripPlot(s)
		caption := fmt.Sprintf("Time torn out of the loop %s on CPU %d: %s gaps, %.3f %% of %s. A quiet host shows an empty strip.",
			s.Name, s.CPU, judge.Grouped(s.Count), 100*float64(s.Lost)/float64(max(s.Ns, 1)), chart.Duration(float64(s.Ns)))
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, caption))
	}
	return p
}

func matrixPlot(m record.Matrix) (*chart.Figure, error) {
	g := chart.Grid{From: m.From, To: m.To, Rows: m.Rows, Columns: m.Columns, Format: plainNumber}
	for _, row := range m.Values {
		line := make([]float64, len(m.Columns))
		for j := range line {
			line[j] = math.NaN()
			if j < len(row) && row[j] != nil {
				line[j] = *row[j]
			}
		}
		g.Values = append(g.Values, line)
	}
	if len(g.Values) != len(m.Rows) {
		return nil, fmt.Errorf("%s: %d rows of values for %d names", m.Name, len(g.Values), len(m.Rows))
	}
	return chart.Heat(m.Name+", "+m.Unit, m.How, g)
}

func sweepPlot(s record.Sweep) (*chart.Figure, error) {
	line := chart.Series{Name: s.Name}
	for _, at := range s.Points {
		line.Points = append(line.Points, chart.Point{X: float64(at.Bytes), Y: at.Value})
	}
	line.Marks = line.Points
	var caches []chart.Level
	for _, c := range s.Levels {
		caches = append(caches, chart.Level{Name: c.Name + " " + chart.Bytes(c.Bytes), At: float64(c.Bytes)})
	}
	return chart.Sweep(s.Name, s.How, []chart.Series{line}, caches)
}

func stripPlot(s record.Strip) (*chart.Figure, error) {
	var series []chart.Series
	for _, g := range s.Gaps {
		i := slices.IndexFunc(series, func(x chart.Series) bool { return x.Name == g.Cause })
		if i < 0 {
			i, series = len(series), append(series, chart.Series{Name: g.Cause})
		}
		series[i].Points = append(series[i].Points, chart.Point{X: float64(g.At), Y: float64(g.Ns)})
	}
	title := fmt.Sprintf("gaps of %s on CPU %d", s.Name, s.CPU)
	return chart.Strip(title, fmt.Sprintf("%d gaps by cause over time", len(s.Gaps)), series)
}

// trialsBlocks shows how the trials of a row lie in its first unit.
func trialsBlocks(row record.Row) []block {
	units := row.Units()
	if len(units) == 0 {
		return nil
	}
	unit := units[0]
	values := row.Values(unit)
	if len(values) < 3 { // so few are better read in the table
		return nil
	}
	figure, err := trialsPlot(row.Name(), unit, []chart.Group{{Name: "trials", Values: values}})
	return []block{drawnBlock(figure, err, fmt.Sprintf("The %d trials of %s in %s: each as a ring, the middle half as a box with the median in it, their density above. Two humps mean two modes.", len(values), row.Name(), unit))}
}

func trialsPlot(name, unit string, groups []chart.Group) (*chart.Figure, error) {
	about := fmt.Sprintf("Trials in %s", unit)
	for _, g := range groups {
		about += fmt.Sprintf("; %s: median %s", g.Name, figure(judge.Summarise(g.Values).Center, unit))
	}
	return chart.Trials(name+" in "+unit, about, groups, func(v float64) string { return tick(v, unit) })
}

// tick writes a value on an axis of unit.
func tick(v float64, unit string) string {
	switch {
	case judge.IsNs(unit):
		return chart.Duration(v)
	case judge.IsRate(unit):
		return chart.SI(v)
	}
	return plainNumber(v)
}

// rowPart is what only some rows have: percentiles, time, spans, loads.
func rowPart(row record.Row, at int) part {
	p := part{ID: fmt.Sprintf("row-%d", at), Title: row.Name(), Short: strings.TrimPrefix(row.Name(), row.Workload+"/")}
	if len(row.Distributions) > 0 {
		figure, err := percentilePlot(row)
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, "Latency by percentile, all valid trials together, on an axis of nines. The curve ends where there are too few events to bear out more."),
			block{Table: percentileTable(row)})
	}
	if len(row.Intervals) > 0 {
		figure, err := overTimePlot(row)
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, "Latency over time: a level line is a steady state; teeth are something that comes round."))
	}
	for _, w := range row.Waterfalls {
		figure, err := waterfallPlot(row, w)
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, "Where a "+w.Name+" event spent its time, from top to bottom."))
	}
	if len(row.Loads) > 0 {
		figure, err := loadsPlot(row)
		p.Blocks = append(p.Blocks, drawnBlock(figure, err, "Latency against the rate that was kept. Left of the knee the SLA holds; a state beside a point is the pressure reached there."))
	}
	return p
}

func percentileTable(row record.Row) *table {
	t := &table{Caption: "Percentiles of " + row.Name(), Head: []column{{"distribution", false}, {"samples", true}, {"mean", true}}}
	for _, p := range judge.Ladder {
		t.Head = append(t.Head, column{fmt.Sprintf("p%v", p), true})
	}
	t.Head = append(t.Head, column{"max", true})
	for _, d := range row.Distributions {
		cells := []cell{{Text: d.Name}, number(judge.Grouped(d.Count), float64(d.Count)), number(figure(d.Mean, "ns"), d.Mean)}
		for _, p := range judge.Ladder {
			c := cell{Text: "N/A", Class: "mute"} // too few samples
			for _, have := range d.Percentiles {
				if have.Percent == p {
					c = number(figure(float64(have.Ns), "ns"), float64(have.Ns))
				}
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, append(cells, number(figure(float64(d.Max), "ns"), float64(d.Max))))
	}
	return t
}

func overTimePlot(row record.Row) (*chart.Figure, error) {
	series := []chart.Series{{Name: "p50"}, {Name: "p99"}, {Name: "max"}}
	first := row.Intervals[0].Name
	for _, in := range row.Intervals {
		if in.Name != first {
			continue
		}
		x := float64(in.StartNs)
		for i, ns := range []int64{in.P50, in.P99, in.Max} {
			series[i].Points = append(series[i].Points, chart.Point{X: x, Y: float64(ns)})
		}
	}
	return chart.OverTime(first+" over time", fmt.Sprintf("%d intervals", len(series[0].Points)), series, levels(row))
}

func waterfallPlot(row record.Row, w record.Waterfall) (*chart.Figure, error) {
	var spans []chart.Span
	total := int64(0)
	for _, s := range w.Spans {
		spans = append(spans, chart.Span{Name: s.Stage, Wait: s.Kind == record.Wait, Ns: float64(s.Ns)})
		total += s.Ns
	}
	return chart.Waterfall(fmt.Sprintf("%s event of %s: %s", w.Name, row.Name(), figure(float64(total), "ns")), "", spans)
}

func loadsPlot(row record.Row) (*chart.Figure, error) {
	series := []chart.Series{{Name: "p50"}, {Name: "p99"}, {Name: "p99.9"}}
	var notes []chart.Note
	knee := 0.0
	for _, l := range row.Loads {
		if l.Invalid != "" {
			continue
		}
		for i, ns := range []int64{l.P50, l.P99, l.P999} {
			series[i].Points = append(series[i].Points, chart.Point{X: l.Achieved, Y: float64(ns)})
		}
		if l.State != "" && l.State != "HEALTHY" {
			notes = append(notes, chart.Note{At: chart.Point{X: l.Achieved, Y: float64(max(l.P50, l.P99, l.P999))}, Text: l.State})
		}
		if l.Knee {
			knee = l.Achieved
		}
	}
	for i := range series {
		series[i].Marks = series[i].Points
	}
	return chart.Loads("latency of "+row.Name()+" by rate", fmt.Sprintf("%d rates", len(row.Loads)), series, knee, notes)
}
