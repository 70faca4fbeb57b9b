package chart

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Span is a part of an event's way.
type Span struct {
	Name string
	Wait bool // in a queue, as against work
	Ns   float64
}

// Waterfall draws spans one below the other, each starting where the one above
// ended: where the time of one event went.
func Waterfall(title, about string, spans []Span) (*Figure, error) {
	f, total := newFigure(title, about), 0.0
	names := make([]string, len(spans))
	for i, s := range spans {
		names[i], total = s.Name, total+s.Ns
	}
	if !(total > 0) {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	f.drawGrid()
	named(&f.plot.Y, reversed(names))
	linear(&f.plot.X, 0, total*1.12, lengths{}, "since the event came in") // room for the last figure
	f.plot.Add(steps(spans))
	f.height = around + rowHigh*vg.Length(len(spans))
	f.keys = []key{{name: "work", line: swatch(lineOf(0).Color.(color.NRGBA))}, {name: "wait in a queue", line: swatch(lineOf(4).Color.(color.NRGBA))}}
	return f, nil
}

// steps draws the bars of a waterfall.
type steps []Span

// Plot draws each span and its length behind it.
func (s steps) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := 0.0
	for i, span := range s {
		line := float64(len(s) - 1 - i)
		series := 0
		if span.Wait {
			series = 4
		}
		left, right := x(at), max(x(at+span.Ns), x(at)+1)
		c.SetColor(lineOf(series).Color)
		c.Fill(vg.Rectangle{Min: vg.Point{X: left, Y: y(line - 0.35)}, Max: vg.Point{X: right, Y: y(line + 0.35)}}.Path())
		word := plain(textSize - 1)
		word.YAlign = draw.YCenter
		c.FillText(word, vg.Point{X: right + 4, Y: y(line)}, Duration(math.Round(span.Ns)))
		at += span.Ns
	}
}

// Ratio is one line of a Forest: a ratio and its interval.
type Ratio struct {
	Name           string
	At, Low, High  float64
	Worse, Certain bool // Certain: the change is significant
}

// Forest draws ratios, new over old, with their intervals about 1.
func Forest(title, about string, ratios []Ratio) (*Figure, error) {
	if len(ratios) == 0 {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	f := newFigure(title, about)
	var names []string
	low, high := 0.95, 1.05
	for _, r := range ratios {
		names = append(names, r.Name)
		low, high = math.Min(low, r.Low), math.Max(high, r.High)
	}
	f.drawGrid()
	named(&f.plot.Y, reversed(names))
	x := &f.plot.X
	x.Min, x.Max, x.Scale, x.Tick.Marker, x.Label.Text = low*0.99, high*1.01, plot.LogScale{}, ratioTicks{}, "new over old"
	f.level(Level{Kind: FloorLevel}, plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(ratios)) - 0.5}})
	f.plot.Add(whiskers(ratios))
	f.height = around + rowHigh*vg.Length(len(ratios))
	for _, k := range []int{sameSeries, betterSeries, worseSeries} {
		f.keys = append(f.keys, key{name: certainty[k], line: lineOf(k), mark: markOf(k)})
	}
	return f, nil
}

// The series whose colour and mark stand for each outcome.
const (
	betterSeries = 0
	worseSeries  = 1
	sameSeries   = 3
)

var certainty = map[int]string{sameSeries: "no significant change", betterSeries: "better", worseSeries: "worse"}

func (r Ratio) series() int {
	switch {
	case !r.Certain:
		return sameSeries
	case r.Worse:
		return worseSeries
	}
	return betterSeries
}

// whiskers draws the lines of a forest.
type whiskers []Ratio

// Plot draws each ratio with its interval.
func (w whiskers) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, r := range w {
		line := y(float64(len(w) - 1 - i))
		style := lineOf(r.series())
		style.Dashes = nil
		c.StrokeLine2(style, x(r.Low), line, x(r.High), line)
		for _, end := range []vg.Length{x(r.Low), x(r.High)} {
			c.StrokeLine2(style, end, line-4, end, line+4)
		}
		c.DrawGlyph(draw.GlyphStyle{Color: style.Color, Radius: markRadius + 1, Shape: markOf(r.series())}, vg.Point{X: x(r.At), Y: line})
	}
}

// Group is the trials of one row or side.
type Group struct {
	Name   string
	Values []float64
}

// Trials draws the trials of each group: every one as a mark, a box from the
// first quartile to the third with the median in it, and above that their density.
func Trials(title, about string, groups []Group, format func(float64) string) (*Figure, error) {
	f, reach := newFigure(title, about), newExtent()
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
		for _, v := range g.Values {
			reach.include(plotter.XYs{{X: v}})
		}
	}
	if reach.empty() {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	f.drawGrid()
	named(&f.plot.Y, reversed(names))
	margin := (reach.highX - reach.lowX) * 0.08
	linear(&f.plot.X, reach.lowX-margin, reach.highX+margin, figures(format), "")
	f.plot.Add(boxes(groups))
	f.height = around + 3*rowHigh*vg.Length(len(groups))
	return f, nil
}

// boxes draws the groups of Trials.
type boxes []Group

// Plot draws each group in its own band.
func (b boxes) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, g := range b {
		line := float64(len(b) - 1 - i)
		style := lineOf(i % 2)
		style.Dashes = nil
		sample := stats.Sample{Xs: slices.Sorted(slices.Values(g.Values)), Sorted: true}
		for _, v := range g.Values {
			c.DrawGlyph(draw.GlyphStyle{Color: style.Color, Radius: markRadius - 1, Shape: draw.RingGlyph{}}, vg.Point{X: x(v), Y: y(line - 0.28)})
		}
		box := vg.Rectangle{Min: vg.Point{X: x(sample.Quantile(0.25)), Y: y(line - 0.15)}, Max: vg.Point{X: x(sample.Quantile(0.75)), Y: y(line + 0.05)}}
		c.StrokeLines(style, append(corners(box), box.Min))
		style.Width *= 1.6
		c.StrokeLine2(style, x(sample.Quantile(0.5)), box.Min.Y, x(sample.Quantile(0.5)), box.Max.Y)
		style.Width = 1.2
		c.StrokeLines(style, density(sample, p, x, func(share float64) vg.Length { return y(line + 0.1 + 0.35*share) }))
	}
}

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

const densitySteps = 120 // points of the outline

// density is the outline of a sample's kernel density, its peak at share 1.
func density(sample stats.Sample, p *plot.Plot, x, y func(float64) vg.Length) []vg.Point {
	if sample.StdDev() == 0 {
		return nil
	}
	kde := stats.KDE{Sample: sample}
	heights, peak := make([]float64, densitySteps), 0.0
	at := func(i int) float64 { return p.X.Min + (p.X.Max-p.X.Min)*float64(i)/(densitySteps-1) }
	for i := range heights {
		heights[i] = kde.PDF(at(i))
		peak = math.Max(peak, heights[i])
	}
	var outline []vg.Point
	for i, h := range heights {
		outline = append(outline, vg.Point{X: x(at(i)), Y: y(h / peak)})
	}
	return outline
}
