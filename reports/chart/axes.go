package chart

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Level is a line across the plot with a name: a target, a floor.
type Level struct {
	Name string
	At   float64
	Kind Kind
}

// Kind is what a Level stands for.
type Kind int

// The kinds of level.
const (
	TargetLevel Kind = iota
	FloorLevel
)

// extent gathers how far points reach in both directions.
type extent struct{ lowX, highX, lowY, highY float64 }

func newExtent() extent {
	return extent{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
}

func (e *extent) include(points plotter.XYs) {
	for _, p := range points {
		e.lowX, e.highX = math.Min(e.lowX, p.X), math.Max(e.highX, p.X)
		e.lowY, e.highY = math.Min(e.lowY, p.Y), math.Max(e.highY, p.Y)
	}
}

func (e extent) empty() bool { return e.highY < e.lowY }

// durations makes y a logarithmic axis of ns from low to high, rounded out.
func durations(axis *plot.Axis, low, high float64, label string) {
	axis.Min, axis.Max = roundOut(low, high)
	axis.Scale, axis.Tick.Marker = plot.LogScale{}, durationTicks{}
	axis.Label.Text = label
}

// linear makes axis run from low to high in the steps of ticks.
func linear(axis *plot.Axis, low, high float64, ticks plot.Ticker, label string) {
	if high <= low {
		high = low + 1
	}
	axis.Min, axis.Max, axis.Tick.Marker, axis.Label.Text = low, high, ticks, label
}

// named makes axis a list of names from the bottom up.
func named(axis *plot.Axis, names []string) {
	ticks := make([]plot.Tick, len(names))
	for i, n := range names {
		ticks[i] = plot.Tick{Value: float64(i), Label: Clip(n)}
	}
	axis.Min, axis.Max = -0.5, float64(len(names))-0.5
	axis.Tick.Marker, axis.Tick.Length = plot.ConstantTicks(ticks), 0
}

const nameMax = 34 // characters of a name beside a plot

// Clip shortens a name that would leave no room for the plot, from its middle:
// what tells rows apart stands at both ends.
func Clip(name string) string {
	r := []rune(name)
	if len(r) <= nameMax {
		return name
	}
	head := nameMax / 2
	return string(r[:head]) + "~" + string(r[len(r)-(nameMax-head-1):])
}

// drawGrid draws lines at the labelled ticks, under everything else.
func (f *Figure) drawGrid() {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = grid, grid
	f.plot.Add(g)
}

// line draws one series and its marks, and adds it to the legend.
func (f *Figure) line(i int, name string, points, marked plotter.XYs) {
	style := lineOf(i)
	k := key{name: name, line: style}
	f.plot.Add(&plotter.Line{XYs: points, LineStyle: style})
	if len(marked) > 0 {
		k.mark = markOf(i)
		f.dots(i, marked)
	}
	f.keys = append(f.keys, k)
}

// dots draws the marks of series i.
func (f *Figure) dots(i int, points plotter.XYs) {
	f.plot.Add(&plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: lineOf(i).Color, Radius: markRadius, Shape: markOf(i)}})
}

// across draws a level over the whole width, from x to x.
func (f *Figure) across(l Level, from, to float64) {
	f.level(l, plotter.XYs{{X: from, Y: l.At}, {X: to, Y: l.At}})
}

// upright draws a level over the whole height, from y to y.
func (f *Figure) upright(l Level, from, to float64) {
	f.level(l, plotter.XYs{{X: l.At, Y: from}, {X: l.At, Y: to}})
}

func (f *Figure) level(l Level, points plotter.XYs) {
	style := levelLine(l.Kind)
	f.plot.Add(&plotter.Line{XYs: points, LineStyle: style})
	if l.Name != "" {
		f.keys = append(f.keys, key{name: l.Name, line: style})
	}
}

// words writes text at points, in ink.
func (f *Figure) words(points plotter.XYs, texts []string, x, y vg.Length) {
	style := plain(textSize - 1)
	style.XAlign, style.YAlign = -0.5, 0
	styles := make([]text.Style, len(texts))
	for i := range styles {
		styles[i] = style
	}
	l := &plotter.Labels{XYs: points, Labels: texts, TextStyle: styles}
	l.Offset.X, l.Offset.Y = x, y
	f.plot.Add(l)
}

const pixels = 600 // of a figure's width: more points than this would not be seen

// decimated is points thinned to what can be seen: of all within one pixel of x
// the lowest and the highest stay, in their order. points ascend in x.
func decimated(points plotter.XYs) plotter.XYs {
	if len(points) <= 2*pixels {
		return points
	}
	from, to := points[0].X, points[len(points)-1].X
	if !(to > from) {
		return points[:2*pixels]
	}
	var out plotter.XYs
	for i := 0; i < len(points); {
		column := int(pixels * (points[i].X - from) / (to - from))
		low, high, j := i, i, i
		for ; j < len(points) && int(pixels*(points[j].X-from)/(to-from)) == column; j++ {
			if points[j].Y < points[low].Y {
				low = j
			}
			if points[j].Y > points[high].Y {
				high = j
			}
		}
		out = append(out, points[min(low, high)])
		if low != high {
			out = append(out, points[max(low, high)])
		}
		i = j
	}
	return out
}
