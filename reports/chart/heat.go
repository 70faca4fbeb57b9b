package chart

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// viridis is matplotlib's map at ten equal steps, from its published table: even
// in lightness, so that it reads in grey and to the colour-blind.
var viridis = []uint32{0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725}

// Grid is one value for each pair of a row and a column; NaN is not measured.
type Grid struct {
	From, To string // what the rows and the columns are
	Rows     []string
	Columns  []string
	Values   [][]float64
	Format   func(float64) string // how a value reads
}

const (
	colourSteps = 36 // shades that a map distinguishes: more could not be told apart
	placesMax   = 64 // rows or columns drawn: beyond that cells are means of several

	cellMax   = 56 * vg.Length(1) // of a cell's sides: fewer places make no larger cells
	wordWidth = 30 * vg.Length(1) // a cell narrower than this has no room for its value
)

// Heat draws g with the row names downwards from the top and each value in its
// cell where there is room.
func Heat(title, about string, g Grid) (*Figure, error) {
	if by := (max(len(g.Rows), len(g.Columns)) + placesMax - 1) / placesMax; by > 1 {
		g = g.coarser(by)
		title += fmt.Sprintf(" (means of %d x %d)", by, by)
	}
	f, h := newFigure(title, about), &heat{Grid: g, low: math.Inf(1), high: math.Inf(-1)}
	for _, row := range g.Values {
		for _, v := range row {
			if !math.IsNaN(v) {
				h.low, h.high = math.Min(h.low, v), math.Max(h.high, v)
			}
		}
	}
	if h.high < h.low || len(g.Rows) == 0 || len(g.Columns) == 0 {
		return nil, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	p := f.plot
	named(&p.X, g.Columns)
	named(&p.Y, reversed(g.Rows))
	thin(&p.X, len(g.Columns))
	thin(&p.Y, len(g.Rows))
	p.X.Label.Text, p.Y.Label.Text = g.To, g.From
	p.Add(h)
	cell := min(cellMax, (width-around)/vg.Length(len(g.Columns)))
	f.height = max(around+cell*vg.Length(len(g.Rows)), around+4*rowHigh)
	if h.high > h.low {
		f.name(g.Format(h.low)+" to "+g.Format(h.high), h.ramp)
	}
	return f, nil
}

// ramp is the sample of all colours of the map, by their logarithm as in the
// cells.
func (h *heat) ramp(c draw.Canvas, from, to vg.Point) {
	const steps = 26
	for i := range steps {
		share := (float64(i) + 0.5) / steps
		line := swatch(h.shade(share))
		at := func(n int) vg.Length { return from.X + (to.X-from.X)*vg.Length(n)/steps }
		c.StrokeLine2(line, at(i), from.Y, at(i+1), from.Y)
	}
}

// coarser is g with by rows and columns made one: the mean of what was measured.
func (g Grid) coarser(by int) Grid {
	out := Grid{From: g.From, To: g.To, Format: g.Format}
	for j := 0; j < len(g.Columns); j += by {
		out.Columns = append(out.Columns, g.Columns[j])
	}
	for i := 0; i < len(g.Rows); i += by {
		out.Rows = append(out.Rows, g.Rows[i])
		row := make([]float64, len(out.Columns))
		for j := range row {
			row[j] = g.mean(i, j*by, by)
		}
		out.Values = append(out.Values, row)
	}
	return out
}

// mean is the mean of the by-by-by block at row i and column j; NaN of nothing.
func (g Grid) mean(i, j, by int) float64 {
	sum, n := 0.0, 0.0
	for _, row := range g.Values[i:min(i+by, len(g.Values))] {
		for _, v := range row[j:min(j+by, len(row))] {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
	}
	return sum / n
}

func swatch(c color.NRGBA) draw.LineStyle { return draw.LineStyle{Color: c, Width: 10} }

func reversed(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[len(names)-1-i] = n
	}
	return out
}

// thin leaves labels out of an axis of n names until the rest have room.
func thin(axis *plot.Axis, n int) {
	ticks, ok := axis.Tick.Marker.(plot.ConstantTicks)
	if every := (n + 23) / 24; ok && every > 1 {
		for i := range ticks {
			if i%every != 0 {
				ticks[i].Label = ""
			}
		}
	}
}

// heat draws the cells of a Grid.
type heat struct {
	Grid
	low, high float64
}

// of is the colour of v, by its logarithm: costs of places differ by factors.
func (h *heat) of(v float64) color.NRGBA {
	switch {
	case h.high > h.low && h.low > 0:
		return h.shade(math.Log(v/h.low) / math.Log(h.high/h.low))
	case h.high > h.low:
		return h.shade((v - h.low) / (h.high - h.low))
	}
	return h.shade(0.5)
}

// shade is the colour at a share of the map.
func (h *heat) shade(share float64) color.NRGBA {
	at := math.Round(share*colourSteps) / colourSteps * float64(len(viridis)-1)
	i := min(int(at), len(viridis)-2)
	return mix(rgb(viridis[i]), rgb(viridis[i+1]), at-float64(i))
}

func mix(a, b color.NRGBA, share float64) color.NRGBA {
	m := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*share)) }
	return color.NRGBA{R: m(a.R, b.R), G: m(a.G, b.G), B: m(a.B, b.B), A: 0xff}
}

// onto is the ink that can be read on c.
func onto(c color.NRGBA) color.NRGBA {
	if 0.2126*float64(c.R)+0.7152*float64(c.G)+0.0722*float64(c.B) > 110 {
		return rgb(0x101010)
	}
	return rgb(0xf8f8f8)
}

// Plot draws the cells, and in them their values where there is room.
func (h *heat) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	h.fill(c, x, y)
	if x(1)-x(0) < wordWidth {
		return
	}
	for i, row := range h.Values {
		for j, v := range row {
			if math.IsNaN(v) {
				continue
			}
			word := plain(textSize - 2)
			word.Color, word.XAlign, word.YAlign = onto(h.of(v)), draw.XCenter, draw.YCenter
			c.FillText(word, vg.Point{X: x(float64(j)), Y: y(h.line(i))}, h.Format(v))
		}
	}
}

// line is where row i lies on the axis, which runs upwards.
func (h *heat) line(i int) float64 { return float64(len(h.Rows) - 1 - i) }

// fill draws the cells: one path for each colour, of one stroke for each run of
// equal neighbours, so that a large machine's matrix stays a small file.
func (h *heat) fill(c draw.Canvas, x, y func(float64) vg.Length) {
	paths := map[color.NRGBA]*vg.Path{}
	var order []color.NRGBA
	for i, row := range h.Values {
		for j := 0; j < len(row); {
			from := j
			for j++; j < len(row) && h.alike(row[from], row[j]); j++ {
			}
			if math.IsNaN(row[from]) {
				continue
			}
			colour := h.of(row[from])
			if paths[colour] == nil {
				paths[colour], order = new(vg.Path), append(order, colour)
			}
			paths[colour].Move(vg.Point{X: x(float64(from) - 0.5), Y: y(h.line(i))})
			paths[colour].Line(vg.Point{X: x(float64(j) - 0.5), Y: y(h.line(i))})
		}
	}
	c.SetLineDash(nil, 0)
	c.SetLineWidth(y(1) - y(0) + 0.4) // over the seam between two lines
	for _, colour := range order {
		c.SetColor(colour)
		c.Stroke(*paths[colour])
	}
}

func (h *heat) alike(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return h.of(a) == h.of(b)
}
