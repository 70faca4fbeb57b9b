// Package chart draws plots from plain numbers: SVG for reports, PNG where a
// reader cannot show SVG.
//
// It takes the position that a plot is read, not admired: a percentile axis in
// nines, durations in steps of 1, 2 and 5, series told apart by colour, dash and
// mark at once, nothing clipped, and one theme that follows the reader's light or
// dark mode. It knows nothing of runs: callers hand it points and names.
package chart

import (
	"fmt"
	"io"
	"regexp"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Point is one sample of a series. One without a Y, NaN, breaks the line.
type Point struct{ X, Y float64 }

// Range is how far a sample may lie from its point: an upright stroke.
type Range struct{ X, Low, High float64 }

// Series is a line with an entry in the legend, or without one where it has no
// name.
type Series struct {
	Name   string
	Points []Point
	Marks  []Point // points that get a mark, so that lines differ without colour
	Ranges []Range
}

// Figure is a drawn plot, to be written in one of the formats.
type Figure struct {
	Title string
	About string // one sentence for those who cannot see it

	height vg.Length
	plot   *plot.Plot
	keys   []key
	drawn  [kinds]int // levels so far
}

// key is an entry of the legend above the plot.
type key struct {
	name   string
	sample func(c draw.Canvas, from, to vg.Point) // of what it names, between two points
}

// Size of a figure in points; at 600 px wide its text is 11 px high. Those with
// a line for each row are as high as they need to be.
const (
	width   = 640 * vg.Length(1)
	height  = 380 * vg.Length(1)
	rowHigh = 22 * vg.Length(1) // of a line for one row
	around  = 96 * vg.Length(1) // title, legend and axis above and below such lines

	margin    = 12 * vg.Length(1)
	titleSize = 14 * vg.Length(1)
	textSize  = 12 * vg.Length(1)
	lineStep  = 17 * vg.Length(1)
)

func newFigure(title, about string) *Figure {
	p := plot.New()
	p.BackgroundColor = nil // the paper is drawn under all of the figure
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.LineStyle.Color = ink
		axis.Tick.LineStyle.Color = ink
		axis.Tick.Label.Color = ink
		axis.Tick.Label.Font = face(textSize)
		axis.Label.TextStyle.Color = ink
		axis.Label.TextStyle.Font = face(textSize)
		axis.Padding = 0
	}
	return &Figure{Title: title, About: about, height: height, plot: p}
}

func face(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// draw lays the title, the legend and the plot out on c. What the library cannot
// place, figures of 300 digits say, it panics at with a word: here it is an error
// of whoever brought them.
func (f *Figure) draw(c vg.CanvasSizer) (err error) {
	defer func() {
		switch why := recover().(type) {
		case nil:
		case string:
			err = fmt.Errorf("drawing %s: %s", f.Title, why)
		default:
			panic(why)
		}
	}()
	whole := draw.New(c)
	whole.SetColor(paper)
	whole.Fill(whole.Rectangle.Path())
	inner := draw.Crop(whole, margin, -margin, margin, -margin)
	title := plain(titleSize)
	y := inner.Max.Y - titleSize
	for _, line := range f.titleLines() {
		inner.FillText(title, vg.Point{X: inner.Min.X, Y: y}, line)
		y -= lineStep
	}
	y = f.legend(inner, y)
	f.plot.Draw(draw.Crop(inner, 0, 0, 0, y-inner.Max.Y))
	return nil
}

// titleLines is the title in lines that fit the figure, cut where a name has
// its joints.
func (f *Figure) titleLines() []string {
	style, room := plain(titleSize), width-2*margin
	lines := []string{""}
	for _, word := range joints.FindAllString(f.Title, -1) {
		word = clipped(word, lineMax)
		last := &lines[len(lines)-1]
		if *last != "" && style.Width(*last+word) > room {
			lines = append(lines, word)
			continue
		}
		*last += word
	}
	return lines
}

var joints = regexp.MustCompile(`[^ /,]*[ /,]*`)

const lineMax = 76 // characters that fit the figure in any case

// tall is the height of the whole figure.
func (f *Figure) tall() vg.Length {
	return f.height + lineStep*vg.Length(len(f.titleLines())-1+max(len(f.legendLines())-1, 0))
}

// Widths in the legend: of a sample, and between it and its name.
const (
	sampleWide = 26 * vg.Length(1)
	sampleGap  = 6 * vg.Length(1)
)

// legendLines is the keys in lines that fit the figure.
func (f *Figure) legendLines() (lines [][]key) {
	used, room := vg.Length(0), width-2*margin
	for _, k := range f.keys {
		wide := k.wide()
		if len(lines) == 0 || used+wide > room {
			lines, used = append(lines, nil), 0
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], k)
		used += wide + 3*sampleGap
	}
	return lines
}

func (k key) wide() vg.Length { return sampleWide + sampleGap + plain(textSize).Width(k.name) }

// legend writes the keys from y downwards and returns where the plot may start.
func (f *Figure) legend(c draw.Canvas, y vg.Length) vg.Length {
	lines := f.legendLines()
	if len(lines) == 0 {
		return y + lineStep - 2*sampleGap
	}
	for i, line := range lines {
		x, y := c.Min.X, y-lineStep*vg.Length(i)
		for _, k := range line {
			middle := y + textSize*0.35
			k.sample(c, vg.Point{X: x, Y: middle}, vg.Point{X: x + sampleWide, Y: middle})
			c.FillText(plain(textSize), vg.Point{X: x + sampleWide + sampleGap, Y: y}, k.name)
			x += k.wide() + 3*sampleGap
		}
	}
	return y - lineStep*vg.Length(len(lines)-1) - sampleGap
}

// stroke is the sample of a line, with its mark in the middle where it has one.
func stroke(line draw.LineStyle, mark draw.GlyphDrawer) func(draw.Canvas, vg.Point, vg.Point) {
	return func(c draw.Canvas, from, to vg.Point) {
		c.StrokeLine2(line, from.X, from.Y, to.X, to.Y)
		if mark != nil {
			dot(line, mark)(c, from, to)
		}
	}
}

// dot is the sample of a mark without a line.
func dot(line draw.LineStyle, mark draw.GlyphDrawer) func(draw.Canvas, vg.Point, vg.Point) {
	return func(c draw.Canvas, from, to vg.Point) {
		c.DrawGlyph(draw.GlyphStyle{Color: line.Color, Radius: markRadius, Shape: mark}, vg.Point{X: (from.X + to.X) / 2, Y: from.Y})
	}
}

// plain is the style of text in ink.
func plain(size vg.Length) text.Style {
	return text.Style{Color: ink, Font: face(size), Handler: plot.DefaultTextHandler}
}

// SVG writes the figure as a document of its own, with its theme.
func (f *Figure) SVG(w io.Writer) error {
	text, err := f.render()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, document(f, text, true))
	return err
}

// Inline is the figure as an element of a page that brings the theme (Theme).
func (f *Figure) Inline() (string, error) {
	text, err := f.render()
	if err != nil {
		return "", err
	}
	return document(f, text, false), nil
}

// pngDPI doubles the resolution of a screen, so that text stays sharp.
const pngDPI = 144

// PNG writes the figure in its light colours.
func (f *Figure) PNG(w io.Writer) error {
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, f.tall()), vgimg.UseDPI(pngDPI))}
	if err := f.draw(c); err != nil {
		return err
	}
	if _, err := c.WriteTo(w); err != nil {
		return fmt.Errorf("drawing %s: %w", f.Title, err)
	}
	return nil
}

func (f *Figure) render() (string, error) {
	c := vgsvg.New(width, f.tall())
	if err := f.draw(c); err != nil {
		return "", err
	}
	text, err := rendered(c)
	if err != nil {
		return "", fmt.Errorf("drawing %s: %w", f.Title, err)
	}
	return text, nil
}
