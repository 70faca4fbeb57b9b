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

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Point is one sample of a series.
type Point struct{ X, Y float64 }

// Series is a named line.
type Series struct {
	Name   string
	Points []Point
	Marks  []Point // points that get a mark, so that lines differ without colour
}

// Figure is a drawn plot, to be written in one of the formats.
type Figure struct {
	Title string
	About string // one sentence for those who cannot see it

	height vg.Length
	plot   *plot.Plot
	keys   []key
}

// key is an entry of the legend above the plot.
type key struct {
	name string
	line draw.LineStyle
	mark draw.GlyphDrawer // nil: none
	bare bool             // marks only, without a line
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

// draw lays the title, the legend and the plot out on c.
func (f *Figure) draw(c vg.CanvasSizer) {
	whole := draw.New(c)
	whole.SetColor(paper)
	whole.Fill(whole.Rectangle.Path())
	inner := draw.Crop(whole, margin, -margin, margin, -margin)
	y := inner.Max.Y - titleSize
	inner.FillText(plain(titleSize), vg.Point{X: inner.Min.X, Y: y}, f.Title)
	y = f.legend(inner, y-lineStep)
	f.plot.Draw(draw.Crop(inner, 0, 0, 0, y-inner.Max.Y))
}

// legend writes the keys from left to right, line by line, and returns where the
// plot may start.
func (f *Figure) legend(c draw.Canvas, y vg.Length) vg.Length {
	const sample, gap = 26 * vg.Length(1), 6 * vg.Length(1)
	s := plain(textSize)
	x := c.Min.X
	for i, k := range f.keys {
		wide := sample + gap + s.Width(k.name)
		if i > 0 && x+wide > c.Max.X {
			x, y = c.Min.X, y-lineStep
		}
		middle := y + textSize*0.35
		if !k.bare {
			c.StrokeLine2(k.line, x, middle, x+sample, middle)
		}
		if k.mark != nil {
			c.DrawGlyph(draw.GlyphStyle{Color: k.line.Color, Radius: markRadius, Shape: k.mark}, vg.Point{X: x + sample/2, Y: middle})
		}
		c.FillText(s, vg.Point{X: x + sample + gap, Y: y}, k.name)
		x += wide + 3*gap
	}
	if len(f.keys) == 0 {
		return y + lineStep - 2*gap
	}
	return y - gap
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
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, f.height), vgimg.UseDPI(pngDPI))}
	f.draw(c)
	if _, err := c.WriteTo(w); err != nil {
		return fmt.Errorf("drawing %s: %w", f.Title, err)
	}
	return nil
}

func (f *Figure) render() (string, error) {
	c := vgsvg.New(width, f.height)
	f.draw(c)
	text, err := rendered(c)
	if err != nil {
		return "", fmt.Errorf("drawing %s: %w", f.Title, err)
	}
	return text, nil
}
