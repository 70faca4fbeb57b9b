package chart

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// ErrEmpty says that there is nothing to draw.
var ErrEmpty = errors.New("no sample to draw")

// Percentiles draws latencies in ns (Y, logarithmic) over percentiles (X, in
// nines). Points that are not above 0 ns, or at 100 %, cannot be drawn and are
// left out; ErrEmpty when none remains.
func Percentiles(title, about string, series []Series, levels []Level) (*Figure, error) {
	if len(series) > SeriesMax {
		return nil, fmt.Errorf("%s: %d series, and only %d can be told apart", title, len(series), SeriesMax)
	}
	f := newFigure(title, about)
	low, high, right := math.Inf(1), 0.0, 1.0
	for i, s := range series {
		line, marked := inNines(s.Points), inNines(s.Marks)
		for _, p := range line {
			low, high, right = math.Min(low, p.Y), math.Max(high, p.Y), math.Max(right, p.X)
		}
		if err := f.add(i, s.Name, line, marked); err != nil {
			return nil, err
		}
	}
	if high == 0 {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	for _, l := range levels {
		low, high = math.Min(low, l.Y), math.Max(high, l.Y)
	}
	for _, l := range levels {
		if err := f.level(l, right); err != nil {
			return nil, err
		}
	}
	p := f.plot
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, right, nineTicks{}
	p.X.Label.Text = "percentile, %"
	p.Y.Min, p.Y.Max = roundOut(low, high)
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, durationTicks{}
	p.Y.Label.Text = "latency"
	return f, nil
}

// add draws one series and its marks, over the grid that the first brings.
func (f *Figure) add(i int, name string, line, marked plotter.XYs) error {
	if i == 0 {
		g := plotter.NewGrid()
		g.Vertical.Color, g.Horizontal.Color = grid, grid
		f.plot.Add(g)
	}
	if len(line) == 0 {
		return nil
	}
	l, err := plotter.NewLine(line)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	l.LineStyle = lineOf(i)
	f.plot.Add(l)
	k := key{name: name, line: l.LineStyle}
	if len(marked) > 0 {
		dots, err := plotter.NewScatter(marked)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		dots.GlyphStyle.Color, dots.GlyphStyle.Radius, dots.GlyphStyle.Shape = l.LineStyle.Color, markRadius, markOf(i)
		f.plot.Add(dots)
		k.mark = markOf(i)
	}
	f.keys = append(f.keys, k)
	return nil
}

func (f *Figure) level(l Level, right float64) error {
	line, err := plotter.NewLine(plotter.XYs{{X: 0, Y: l.Y}, {X: right, Y: l.Y}})
	if err != nil {
		return fmt.Errorf("%s: %w", l.Name, err)
	}
	line.LineStyle = levelLine(l.Kind)
	f.plot.Add(line)
	f.keys = append(f.keys, key{name: l.Name, line: line.LineStyle})
	return nil
}

func inNines(points []Point) plotter.XYs {
	var out plotter.XYs
	for _, p := range points {
		if p.Y > 0 && p.X < 100 {
			out = append(out, plotter.XY{X: nines(p.X), Y: p.Y})
		}
	}
	return out
}
