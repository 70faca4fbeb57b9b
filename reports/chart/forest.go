package chart

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Outcome is what a ratio means, told by colour and mark.
type Outcome int

// The outcomes, and how many.
const (
	Good Outcome = iota
	Poor
	Unsure
	Outcomes
)

// Ratio is one line of a Forest: a ratio above 0 and its interval; without one
// High is 0.
type Ratio struct {
	Name          string
	At, Low, High float64
	Outcome       Outcome
}

// Forest draws ratios with their intervals about 1, on a logarithmic axis with
// that label. words say what each outcome is called here.
func Forest(title, about, label string, ratios []Ratio, words [Outcomes]string) (*Figure, error) {
	f := newFigure(title, about)
	var names []string
	low, high := 0.95, 1.05
	for i, r := range ratios {
		if !(r.At > 0) || math.IsInf(r.At, 0) {
			return nil, fmt.Errorf("%s: the ratio of %s is %v", title, r.Name, r.At)
		}
		if !(r.Low > 0) || !(r.High >= r.Low) || math.IsInf(r.High, 0) {
			ratios[i].Low, ratios[i].High = r.At, r.At
		}
		names = append(names, r.Name)
		low, high = min(low, ratios[i].Low, r.At), max(high, ratios[i].High, r.At)
	}
	if len(ratios) == 0 {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	f.drawGrid()
	named(&f.plot.Y, reversed(names))
	x, spare := &f.plot.X, math.Pow(high/low, 0.02)
	x.Min, x.Max, x.Scale, x.Tick.Marker, x.Label.Text = low/spare, high*spare, plot.LogScale{}, ratioTicks{}, label
	f.level(Level{Kind: FloorLevel}, plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(ratios)) - 0.5}})
	f.plot.Add(whiskers(ratios))
	f.height = around + rowHigh*vg.Length(len(ratios))
	for o, word := range words {
		line, mark := Outcome(o).look()
		f.name(word, stroke(line, mark))
	}
	return f, nil
}

// look is the colour and the mark of an outcome.
func (o Outcome) look() (draw.LineStyle, draw.GlyphDrawer) {
	shade, mark := color.Color(floor), draw.GlyphDrawer(draw.RingGlyph{})
	if o != Unsure {
		shade, mark = lineOf(int(o)).Color, markOf(int(o))
	}
	return draw.LineStyle{Color: shade, Width: 1.8}, mark
}

// whiskers draws the lines of a forest.
type whiskers []Ratio

// Plot draws each ratio with its interval.
func (w whiskers) Plot(c draw.Canvas, p *plot.Plot) {
	const foot = 4 * vg.Length(1)
	x, y := p.Transforms(&c)
	for i, r := range w {
		line := y(float64(len(w) - 1 - i))
		style, mark := r.Outcome.look()
		if r.High > r.Low {
			c.StrokeLine2(style, x(r.Low), line, x(r.High), line)
			for _, end := range []vg.Length{x(r.Low), x(r.High)} {
				c.StrokeLine2(style, end, line-foot, end, line+foot)
			}
		}
		c.DrawGlyph(draw.GlyphStyle{Color: style.Color, Radius: markRadius + 1, Shape: mark}, vg.Point{X: x(r.At), Y: line})
	}
}
