package reports

import (
	"errors"
	"fmt"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// PNGs writes every plot of a run into dir, for readers that show no SVG.
func PNGs(dir string, l Loaded) error {
	f := &folder{dir: dir, sums: map[string]string{}, png: true}
	for _, row := range l.Run.Rows {
		f.figure(row.Name(), func() (*chart.Figure, error) { return percentilePlot(row) })
	}
	f.machine(l.Run)
	return errors.Join(f.without...)
}

// curveTicks is how finely a curve follows its histogram: points each time the
// distance to 100 % halves. At 640 points of width more would not be seen.
const curveTicks = 16

// percentilePlot draws the distributions of row with its targets and its floor.
func percentilePlot(row record.Row) (*chart.Figure, error) {
	var series []chart.Series
	for i, d := range row.Distributions {
		if i == chart.SeriesMax {
			break
		}
		s, err := curve(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.Name(), err)
		}
		series = append(series, s)
	}
	return chart.Percentiles(row.Name(), about(row), series, levels(row))
}

// curve is d as far as its samples bear it out: beyond that it would show the
// maximum under other names.
func curve(d record.Distribution) (chart.Series, error) {
	s := chart.Series{Name: fmt.Sprintf("%s (%s samples)", d.Name, judge.Grouped(d.Count))}
	hist, err := Histogram(d)
	if err != nil {
		return s, err
	}
	for _, b := range hist.CumulativeDistributionWithTicks(curveTicks) {
		if b.Quantile >= 100 || judge.SamplesFor(b.Quantile) > d.Count {
			break
		}
		s.Points = append(s.Points, chart.Point{X: b.Quantile, Y: float64(b.ValueAt)})
	}
	for _, p := range d.Percentiles {
		s.Marks = append(s.Marks, chart.Point{X: p.Percent, Y: float64(p.Ns)})
	}
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
func about(row record.Row) string {
	var parts []string
	for _, d := range row.Distributions {
		text := d.Name + ":"
		for _, p := range d.Percentiles {
			text += fmt.Sprintf(" p%v %s,", p.Percent, figure(float64(p.Ns), "ns"))
		}
		parts = append(parts, fmt.Sprintf("%s max %s of %s samples", text, figure(float64(d.Max), "ns"), judge.Grouped(d.Count)))
	}
	return "Latency over percentile. " + strings.Join(parts, ". ") + "."
}
