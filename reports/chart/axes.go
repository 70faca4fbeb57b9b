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

	kinds
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
		ticks[i] = plot.Tick{Value: float64(i), Label: clip(n)}
	}
	axis.Min, axis.Max = -0.5, float64(len(names))-0.5
	axis.Tick.Marker, axis.Tick.Length = plot.ConstantTicks(ticks), 0
}

const nameMax = 34 // characters of a name beside a plot

// clip shortens a name that would leave no room for the plot, from its middle:
// what tells rows apart stands at both ends.
func clip(name string) string { return clipped(name, nameMax) }

func clipped(name string, most int) string {
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	head := most / 2
	return string(r[:head]) + "~" + string(r[len(r)-(most-head-1):])
}

// drawGrid draws lines at the labelled ticks, under everything else.
func (f *Figure) drawGrid() {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = grid, grid
	f.plot.Add(g)
}

// line draws one series in its pieces, its ranges and its marks, and adds it to
// the legend.
func (f *Figure) line(i int, name string, pieces []plotter.XYs, ranges []Range, marked plotter.XYs) {
	style := lineOf(i)
	f.plot.Add(uprights{ranges, style})
	for _, points := range pieces {
		f.plot.Add(&plotter.Line{XYs: points, LineStyle: style})
	}
	var mark draw.GlyphDrawer
	if len(marked) > 0 {
		mark = markOf(i)
		f.dots(i, marked)
	}
	f.name(name, stroke(style, mark))
}

// name adds an entry to the legend, unless there is no name.
func (f *Figure) name(name string, sample func(draw.Canvas, vg.Point, vg.Point)) {
	if name != "" {
		f.keys = append(f.keys, key{clipped(name, lineMax), sample})
	}
}

// dots draws the marks of series i.
func (f *Figure) dots(i int, points plotter.XYs) {
	f.plot.Add(&plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: lineOf(i).Color, Radius: markRadius, Shape: markOf(i)}})
}

// uprights draws how far samples may lie from their points.
type uprights struct {
	ranges []Range
	style  draw.LineStyle
}

// Plot draws one line a range, with a foot at both ends.
func (u uprights) Plot(c draw.Canvas, p *plot.Plot) {
	const foot = 3 * vg.Length(1)
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: u.style.Color, Width: 1}
	for _, r := range u.ranges {
		at := x(r.X)
		c.StrokeLine2(style, at, y(r.Low), at, y(r.High))
		for _, end := range []vg.Length{y(r.Low), y(r.High)} {
			c.StrokeLine2(style, at-foot, end, at+foot, end)
		}
	}
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
	style := levelLine(l.Kind, f.drawn[l.Kind])
	f.drawn[l.Kind]++
	f.plot.Add(&plotter.Line{XYs: points, LineStyle: style})
	f.name(l.Name, stroke(style, nil))
}

// notes are words above points, on paper so that they can be read over lines.
type notes []Note

const noteLift = 5 * vg.Length(1) // of a word above its point

func noteStyle() text.Style {
	style := plain(textSize - 1)
	style.XAlign, style.YAlign = draw.XCenter, draw.YBottom
	return style
}

// Plot writes each word, moved sideways where it would leave the plot.
func (n notes) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := noteStyle()
	for _, note := range n {
		half := style.Width(note.Text)/2 + 1
		at := vg.Point{X: min(max(x(note.At.X), c.Min.X+half), c.Max.X-half), Y: y(note.At.Y) + noteLift}
		c.SetColor(paper)
		c.Fill(vg.Rectangle{Min: vg.Point{X: at.X - half, Y: at.Y - 1}, Max: vg.Point{X: at.X + half, Y: at.Y + style.Font.Size}}.Path())
		c.FillText(style, at, note.Text)
	}
}

// GlyphBoxes has the plot leave room above for words at its upper edge.
func (n notes) GlyphBoxes(p *plot.Plot) (boxes []plot.GlyphBox) {
	for _, note := range n {
		boxes = append(boxes, plot.GlyphBox{X: p.X.Norm(note.At.X), Y: p.Y.Norm(note.At.Y),
			Rectangle: vg.Rectangle{Max: vg.Point{Y: noteLift + noteStyle().Font.Size}}})
	}
	return boxes
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
