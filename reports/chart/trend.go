package chart

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
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
	for i, m := range moments {
		at := plotter.XY{X: float64(i), Y: m.At}
		names, centers = append(names, m.Name), append(centers, at)
		reach.include(plotter.XYs{at})
		if m.High > 0 {
			reach.include(plotter.XYs{{X: at.X, Y: m.Low}, {X: at.X, Y: m.High}})
		}
	}
	f.drawGrid()
	named(&f.plot.X, names)
	thin(&f.plot.X, 3*len(names)) // a name is some three values wide
	f.line(0, "median and 95 % interval", centers, centers)
	f.plot.Add(uprights(moments))
	for _, l := range levels {
		reach.include(plotter.XYs{{X: 0, Y: l.At}})
		f.across(l, -0.5, float64(len(moments))-0.5)
	}
	spare := (reach.highY - reach.lowY) * 0.1
	linear(&f.plot.Y, reach.lowY-spare, reach.highY+spare, figures(format), "")
	return f, nil
}

// uprights draws the intervals of a trend.
type uprights []Moment

// Plot draws one line a moment.
func (u uprights) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := lineOf(0)
	for i, m := range u {
		if m.High > 0 {
			c.StrokeLine2(style, x(float64(i)), y(m.Low), x(float64(i)), y(m.High))
		}
	}
}
