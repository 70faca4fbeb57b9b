package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Span is a part of an event's way.
type Span struct {
	Name string
	Wait bool // as against work
	Ns   float64
}

// Waterfall draws spans one below the other, each starting where the one above
// ended: where the time of one event went since it was due.
func Waterfall(title, about string, spans []Span) (*Figure, error) {
	f, total := newFigure(title, about), 0.0
	names := make([]string, len(spans))
	for i, s := range spans {
		names[i], total = s.Name, total+s.Ns
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	f.drawGrid()
	named(&f.plot.Y, reversed(names))
	linear(&f.plot.X, 0, total, lengths{}, "since it was due")
	f.plot.Add(steps(spans))
	f.height = around + rowHigh*vg.Length(len(spans))
	f.name("work", func(c draw.Canvas, from, to vg.Point) { bar(c, from.X, to.X, from.Y-4, from.Y+4, false) })
	f.name("wait", func(c draw.Canvas, from, to vg.Point) { bar(c, from.X, to.X, from.Y-4, from.Y+4, true) })
	return f, nil
}

// steps draws the bars of a waterfall.
type steps []Span

// Plot draws each span with its length behind it, or before it where there is no
// room behind.
func (s steps) Plot(c draw.Canvas, p *plot.Plot) {
	const gap = 4 * vg.Length(1)
	x, y := p.Transforms(&c)
	at := 0.0
	for i, span := range s {
		line := float64(len(s) - 1 - i)
		left, right := x(at), max(x(at+span.Ns), x(at)+1)
		bar(c, left, right, y(line-0.35), y(line+0.35), span.Wait)
		word, length := plain(textSize-1), Duration(math.Round(span.Ns))
		word.YAlign = draw.YCenter
		switch wide := word.Width(length); {
		case right+gap+wide <= c.Max.X:
			c.FillText(word, vg.Point{X: right + gap, Y: y(line)}, length)
		case left-gap-wide >= c.Min.X:
			c.FillText(word, vg.Point{X: left - gap - wide, Y: y(line)}, length)
		default: // it fills the width: within
			word.Color = paper
			if span.Wait {
				word.Color = ink
			}
			c.FillText(word, vg.Point{X: right - gap - wide, Y: y(line)}, length)
		}
		at += span.Ns
	}
}

// bar draws work filled and a wait hollow, so that they differ without colour.
func bar(c draw.Canvas, left, right, low, high vg.Length, wait bool) {
	const edge = 1.4 * vg.Length(1)
	style := lineOf(0)
	c.SetColor(style.Color)
	if wait && right-left > 2*edge {
		inner := vg.Rectangle{Min: vg.Point{X: left + edge/2, Y: low + edge/2}, Max: vg.Point{X: right - edge/2, Y: high - edge/2}}
		c.StrokeLines(draw.LineStyle{Color: style.Color, Width: edge}, append(corners(inner), inner.Min))
		return
	}
	c.Fill(vg.Rectangle{Min: vg.Point{X: left, Y: low}, Max: vg.Point{X: right, Y: high}}.Path())
}

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}
