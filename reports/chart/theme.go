package chart

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// shade is a colour by its part: light is drawn, and becomes a class of the
// SVG that a dark page redefines. No two may have the same light.
type shade struct {
	class string
	light color.NRGBA
	dark  color.NRGBA
}

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

var (
	ink    = rgb(0x24292f)
	paper  = rgb(0xfefefe)
	grid   = rgb(0xd8dee4)
	target = rgb(0xb3261e)
	floor  = rgb(0x57606a)
)

// shades are all colours in use. The series' are Okabe and Ito's, which those
// with colour-blindness tell apart ("Color Universal Design", 2008), ordered so
// that the first stand out best from the paper of their mode: all but the last
// two by a contrast of 3 and more.
var shades = []shade{
	{"ink", ink, rgb(0xe6edf3)},
	{"paper", paper, rgb(0x0d1117)},
	{"grid", grid, rgb(0x30363d)},
	{"target", target, rgb(0xff7b72)},
	{"floor", floor, rgb(0x9aa4af)},
	{"s0", rgb(0x0072b2), rgb(0x56b4e9)},
	{"s1", rgb(0xd55e00), rgb(0xe69f00)},
	{"s2", rgb(0x009e73), rgb(0x009e74)},
	{"s3", rgb(0xcc79a7), rgb(0xcc79a8)},
	{"s4", rgb(0x000000), rgb(0xffffff)},
	{"s5", rgb(0xe69f00), rgb(0xf0e442)},
	{"s6", rgb(0x56b4e9), rgb(0x3391c9)},
}

const firstSeries = 5 // in shades

const markRadius = 3 * vg.Length(1)

var dashes = [][]vg.Length{nil, {8, 3}, {3, 2}, {10, 3, 2, 3}, {1, 2}, {14, 4}, {6, 2, 1, 2, 1, 2}}

var marks = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.PlusGlyph{}, draw.BoxGlyph{},
}

// SeriesMax is how many series a figure tells apart.
const SeriesMax = 7

func lineOf(i int) draw.LineStyle {
	return draw.LineStyle{Color: shades[firstSeries+i%SeriesMax].light, Width: 1.8, Dashes: dashes[i%SeriesMax]}
}

func markOf(i int) draw.GlyphDrawer { return marks[i%SeriesMax] }

// levelLine is the stroke of a figure's nth level of a kind, from 0: each further
// one has a dot more between its dashes.
func levelLine(k Kind, nth int) draw.LineStyle {
	style := draw.LineStyle{Color: target, Width: 1.4, Dashes: []vg.Length{12, 4}}
	if k == FloorLevel {
		style = draw.LineStyle{Color: floor, Width: 1.2, Dashes: []vg.Length{2, 3}}
	}
	for range nth {
		style.Dashes = append(style.Dashes, 2, 4)
	}
	return style
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// Theme is the style sheet of the figures: the colours as variables, light
// unless the reader prefers dark and does not print, and the classes that use
// them.
func Theme() string {
	var light, dark, classes strings.Builder
	for _, s := range shades {
		fmt.Fprintf(&light, "--esc-%s:%s;", s.class, hex(s.light))
		fmt.Fprintf(&dark, "--esc-%s:%s;", s.class, hex(s.dark))
		fmt.Fprintf(&classes, ".f-%s{fill:var(--esc-%s)}.l-%s{stroke:var(--esc-%s)}", s.class, s.class, s.class, s.class)
	}
	return fmt.Sprintf(":root{color-scheme:light dark;%s}@media screen and (prefers-color-scheme:dark){:root{%s}}%s", light.String(), dark.String(), classes.String())
}
