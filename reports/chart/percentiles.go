package chart

import (
	"errors"
	"fmt"
	"math"

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
	f, reach := newFigure(title, about), newExtent()
	f.drawGrid()
	for i, s := range series {
		points := inNines(s.Points)
		if reach.include(points); len(points) > 0 {
			f.line(i, s.Name, decimated(points), inNines(s.Marks))
		}
	}
	if reach.empty() {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	right := math.Max(reach.highX, 1)
	for _, l := range levels {
		reach.include(plotter.XYs{{X: right, Y: l.At}})
		f.across(l, 0, right)
	}
	linear(&f.plot.X, 0, right, nineTicks{}, "percentile, %")
	durations(&f.plot.Y, reach.lowY, reach.highY, "latency")
	return f, nil
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
