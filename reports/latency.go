package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// rowExhibits is what only some rows have: percentiles, time, spans, loads.
func rowExhibits(row record.Row) (all []exhibit) {
	if whole, legs, stages := wholeAndParts(row); len(whole) > 0 {
		all = append(all, exhibit{name: row.Name() + ".percentiles", draw: func() (*chart.Figure, error) { return percentilePlot(row.Name(), whole, levels(row)) }, numbers: percentileTable(row, whole),
			reading: "Latency by percentile, all valid trials together, on an axis of nines. The curve ends where there are too few events to bear out more. Undisturbed are the events during which no loop lost time: the engine without its host; shown, never judged."})
		if len(legs) > 0 {
			all = append(all, exhibit{name: row.Name() + ".legs", draw: func() (*chart.Figure, error) { return percentilePlot("legs of "+row.Name(), legs, nil) }, numbers: percentileTable(row, legs),
				reading: "The legs of the way by percentile: how late the sender was, what came before the engine had the event, what it waited in queues and what stages worked. Event by event they sum to the whole; their percentiles do not, for one event is late here and another there." + stampedReading(row)})
		}
		if len(stages) > 0 {
			all = append(all, exhibit{name: row.Name() + ".stages", draw: func() (*chart.Figure, error) { return percentilePlot("stages of "+row.Name(), stages, nil) }, numbers: percentileTable(row, stages),
				reading: "The queue waits and the service times one by one, in the order of the way. To route an event takes less than timing it would: that is within its wait in the lane."})
		}
	}
	if len(row.Intervals) > 0 {
		all = append(all, exhibit{name: row.Name() + ".over-time", draw: func() (*chart.Figure, error) { return overTimePlot(row) }, numbers: intervalTable(row),
			reading: "Latency over time, by when events were due, broken where one trial ended and the next began. A level line is a steady state; teeth are something that comes round."})
	}
	for _, w := range row.Waterfalls {
		all = append(all, exhibit{name: row.Name() + ".waterfall-" + w.Name, draw: func() (*chart.Figure, error) { return waterfallPlot(row, w) }, numbers: waterfallTable(w),
			reading: "Where one real event spent its time, from top to bottom: " + kindOfEvent(w) + ". The spans sum to the whole." + stampedReading(row)})
	}
	if len(row.Loads) > 0 {
		all = append(all, loadsExhibit(row))
	}
	return append(all, lostExhibits(row)...)
}

// wholeAndParts is the distributions of row: those of the whole way, of all its
// events and of the undisturbed, those of its legs, and those of single stages.
// Older records have legs alone, and do not say what they are.
func wholeAndParts(row record.Row) (whole, legs, stages []record.Distribution) {
	for _, d := range row.Distributions {
		switch {
		case strings.TrimSuffix(d.Name, record.Undisturbed) == row.Distributions[0].Name:
			whole = append(whole, d)
		case d.Part == record.Wait || d.Part == record.Work:
			stages = append(stages, d)
		default:
			legs = append(legs, d)
		}
	}
	return whole, legs, stages
}

// stampedReading says which events had a stamp at every stage, and what that costs.
func stampedReading(row record.Row) string {
	with, apart := stampedWhole(row)
	if !apart {
		return " Every event above was stamped at each stage, and the stamps' cost, 0.1 to 0.2 us, is part of its latency."
	}
	return fmt.Sprintf(" To stamp an event at each stage makes it later. So this is of %s events of trials of their own, between the others; the latencies above are of events without such stamps.", judge.Grouped(with.Count))
}

// kindOfEvent says in words which event a waterfall is of.
func kindOfEvent(w record.Waterfall) string {
	if w.Name == "typical" {
		return "the one in the middle of all by latency"
	}
	return "the one at the " + strings.ToUpper(w.Name[:min(1, len(w.Name))]) + w.Name[min(1, len(w.Name)):] + " by latency"
}

// curveTicks is how finely a curve follows its histogram: points each time the
// distance to 100 % halves. At 640 points of width more would not be seen.
const curveTicks = 16

// percentilePlot draws distributions with levels across.
func percentilePlot(title string, distributions []record.Distribution, levels []chart.Level) (*chart.Figure, error) {
	var series []chart.Series
	for _, d := range distributions {
		s, err := curve(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", title, err)
		}
		series = append(series, s)
	}
	return chart.Percentiles(title, about(distributions), series, levels)
}

// curve is d as far as its samples bear it out: beyond that it would show the
// maximum under other names. The percentiles that are printed are on it.
func curve(d record.Distribution) (chart.Series, error) {
	s := chart.Series{Name: fmt.Sprintf("%s (%s samples)", d.Name, judge.Grouped(d.Count))}
	hist, err := Histogram(d)
	if err != nil {
		return s, err
	}
	for _, p := range d.Percentiles {
		s.Marks = append(s.Marks, chart.Point{X: p.Percent, Y: float64(p.Ns)})
	}
	s.Points = slices.Clone(s.Marks)
	for _, b := range hist.CumulativeDistributionWithTicks(curveTicks) {
		if b.Quantile >= 100 || judge.SamplesFor(b.Quantile) > d.Count {
			break
		}
		s.Points = append(s.Points, chart.Point{X: b.Quantile, Y: float64(b.ValueAt)})
	}
	slices.SortStableFunc(s.Points, func(a, b chart.Point) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Y, b.Y)) })
	return s, nil
}

func levels(row record.Row) []chart.Level {
	var levels []chart.Level
	for _, j := range row.Judgements {
		if strings.HasPrefix(j.Unit, "p") && judge.IsNs(j.Unit) { // of a percentile, not of an operation
			name := fmt.Sprintf("target %s: %s %s", j.Target, label(j.Unit), bound(j.Bound, j.Unit, j.AtLeast))
			levels = append(levels, chart.Level{Name: name, At: j.Bound, Kind: chart.TargetLevel})
		}
	}
	if row.Floor != nil && row.Floor.Ns > 0 {
		name := fmt.Sprintf("floor: %s %s", row.Floor.Name, figure(row.Floor.Ns, "ns"))
		levels = append(levels, chart.Level{Name: name, At: row.Floor.Ns, Kind: chart.FloorLevel})
	}
	return levels
}

// about tells the plot in words.
func about(distributions []record.Distribution) string {
	var parts []string
	for _, d := range distributions {
		text := d.Name + ":"
		for _, p := range d.Percentiles {
			text += fmt.Sprintf(" p%v %s,", p.Percent, figure(float64(p.Ns), "ns"))
		}
		parts = append(parts, fmt.Sprintf("%s max %s of %s samples", text, figure(float64(d.Max), "ns"), judge.Grouped(d.Count)))
	}
	return "Latency over percentile. " + strings.Join(parts, ". ") + "."
}

func percentileTable(row record.Row, distributions []record.Distribution) *table {
	t := &table{Caption: "Percentiles of " + row.Name(), Head: heads("distribution", "#samples", "#mean")}
	for _, p := range judge.Ladder {
		t.Head = append(t.Head, column{fmt.Sprintf("p%v", p), true})
	}
	t.Head = append(t.Head, column{"max", true})
	for _, d := range distributions {
		cells := []cell{{Text: d.Name}, number(judge.Grouped(d.Count), float64(d.Count)), number(figure(d.Mean, "ns"), d.Mean)}
		for _, p := range judge.Ladder {
			c := cell{Text: "N/A", Class: "mute"} // too few samples
			for _, have := range d.Percentiles {
				if have.Percent == p {
					c = duration(have.Ns)
				}
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, append(cells, duration(d.Max)))
	}
	return t
}

// overTimePlot draws each interval as a step as long as it was.
func overTimePlot(row record.Row) (*chart.Figure, error) {
	series := []chart.Series{{Name: "p50"}, {Name: "p99"}, {Name: "max"}}
	first, until, state := row.Intervals[0].Name, int64(0), ""
	var remarks []chart.Note
	for _, in := range row.Intervals {
		if in.Name != first {
			continue
		}
		start, end := float64(in.StartNs), float64(in.StartNs+in.Ns)
		for i, ns := range []int64{in.P50, in.P99, in.Max} {
			if in.StartNs > until {
				series[i].Points = append(series[i].Points, chart.Point{X: start, Y: math.NaN()})
			}
			series[i].Points = append(series[i].Points, chart.Point{X: start, Y: float64(ns)}, chart.Point{X: end, Y: float64(ns)})
		}
		if in.State != state && in.Max > 0 {
			remarks = append(remarks, chart.Note{At: chart.Point{X: start, Y: float64(in.Max)}, Text: in.State})
		}
		until, state = in.StartNs+in.Ns, in.State
	}
	return chart.OverTime(first+" over time", plural(len(row.Intervals), "interval"), series, levels(row), remarks)
}

// intervalsMost is how many intervals are told in numbers too; of a longer run
// they are in its .hlog.
const intervalsMost = 80

func intervalTable(row record.Row) *table {
	if len(row.Intervals) > intervalsMost {
		return nil
	}
	t := &table{Caption: "Latency by interval", Head: heads("distribution", "#from", "#for", "#events", "#p50", "#p99", "#max", "pressure")}
	for _, in := range row.Intervals {
		t.Rows = append(t.Rows, []cell{{Text: in.Name}, duration(in.StartNs), duration(in.Ns), number(judge.Grouped(in.Count), float64(in.Count)),
			duration(in.P50), duration(in.P99), duration(in.Max), {Text: in.State}})
	}
	return t
}

func waterfallPlot(row record.Row, w record.Waterfall) (*chart.Figure, error) {
	var spans []chart.Span
	for _, s := range w.Spans {
		spans = append(spans, chart.Span{Name: s.Stage, Wait: s.Kind == record.Wait, Ns: float64(s.Ns)})
	}
	title := fmt.Sprintf("%s event of %s: %s", w.Name, row.Name(), figure(float64(w.Ns()), "ns"))
	return chart.Waterfall(title, plural(len(spans), "span"), spans)
}

func waterfallTable(w record.Waterfall) *table {
	t := &table{Caption: "Spans of the " + w.Name + " event", Head: heads("stage", "kind", "#time", "#share")}
	for _, s := range w.Spans {
		share := 100 * float64(s.Ns) / float64(max(w.Ns(), 1))
		t.Rows = append(t.Rows, []cell{{Text: s.Stage}, {Text: s.Kind}, duration(s.Ns), number(strconv.FormatFloat(share, 'f', 1, 64)+" %", share)})
	}
	return t
}

// duration is a cell of ns; 0 stands for none.
func duration(ns int64) cell {
	if ns == 0 {
		return cell{Text: "0 ns", Sort: "0"}
	}
	return number(figure(float64(ns), "ns"), float64(ns))
}
