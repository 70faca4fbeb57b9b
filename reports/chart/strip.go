package chart

import (
	"cmp"
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Strip draws the length in ns of each gap (Y, logarithmic) as a spike at the
// time it was, in ns since the start (X): a series for each cause, its longest
// gaps marked. A cause without a gap keeps its colour for other strips.
func Strip(title, about string, series []Series) (*Figure, error) {
	if err := countable(title, series); err != nil {
		return nil, err
	}
	f, reach := newFigure(title, about), newExtent()
	f.drawGrid()
	for i, s := range series {
		points := highest(slices.Concat(drawable(s.Points, seconds)...))
		if len(points) == 0 {
			continue
		}
		reach.include(points)
		f.plot.Add(spikes{points, lineOf(i)})
		f.dots(i, longest(points))
		f.name(s.Name, dot(lineOf(i), markOf(i)))
	}
	if reach.empty() {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	linear(&f.plot.X, 0, reach.highX, plot.DefaultTicks{}, "time, s")
	durations(&f.plot.Y, reach.lowY, reach.highY, "gap")
	return f, nil
}

const marked = 20 // gaps of each cause that get a mark

func longest(points plotter.XYs) plotter.XYs {
	sorted := slices.SortedFunc(slices.Values(points), func(a, b plotter.XY) int { return cmp.Compare(b.Y, a.Y) })
	return sorted[:min(marked, len(sorted))]
}

// highest is, of the points within one pixel of x, the highest.
func highest(points plotter.XYs) plotter.XYs {
	if len(points) <= pixels {
		return points
	}
	to := slices.MaxFunc(points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) }).X
	columns := make([]plotter.XY, pixels+1)
	for _, p := range points {
		if c := &columns[min(max(int(pixels*p.X/to), 0), pixels)]; p.Y > c.Y {
			*c = p
		}
	}
	return slices.DeleteFunc(columns, func(p plotter.XY) bool { return p.Y == 0 })
}

// spikes draws a line from the bottom up to each point.
type spikes struct {
	points plotter.XYs
	style  draw.LineStyle
}

// Plot draws all spikes as one path.
func (s spikes) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var path vg.Path
	for _, at := range s.points {
		path.Move(vg.Point{X: x(at.X), Y: c.Min.Y})
		path.Line(vg.Point{X: x(at.X), Y: y(at.Y)})
	}
	c.SetLineStyle(draw.LineStyle{Color: s.style.Color, Width: 1})
	c.Stroke(path)
}
