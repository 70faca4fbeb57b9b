package chart

import (
	"fmt"

	"gonum.org/v1/plot/plotter"
)

// Moment is one run of a Trend: a median and its interval; an interval of 0 to 0
// is none.
type Moment struct {
	Name          string // of the run: when, which commit
	At, Low, High float64
}

// Trend draws a figure over runs, oldest first.
func Trend(title, about string, moments []Moment, format func(float64) string, levels []Level) (*Figure, error) {
	if len(moments) == 0 {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	f, reach := newFigure(title, about), newExtent()
	var names []string
	var centers plotter.XYs
	var ranges []Range
	for i, m := range moments {
		at := plotter.XY{X: float64(i), Y: m.At}
		names, centers = append(names, m.Name), append(centers, at)
		reach.include(plotter.XYs{at})
		if m.High > 0 {
			ranges = append(ranges, Range{at.X, m.Low, m.High})
			reach.include(plotter.XYs{{X: at.X, Y: m.Low}, {X: at.X, Y: m.High}})
		}
	}
	f.drawGrid()
	named(&f.plot.X, names)
	thin(&f.plot.X, 3*len(names)) // a name is some three values wide
	f.line(0, "median and 95 % interval", []plotter.XYs{centers}, ranges, centers)
	for _, l := range levels {
		reach.include(plotter.XYs{{X: 0, Y: l.At}})
		f.across(l, -0.5, float64(len(moments))-0.5)
	}
	spare := (reach.highY - reach.lowY) * 0.1
	linear(&f.plot.Y, reach.lowY-spare, reach.highY+spare, figures(format), "")
	return f, nil
}
