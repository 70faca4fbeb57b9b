package chart

import (
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

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
	spare := (reach.highX - reach.lowX) * 0.08
	linear(&f.plot.X, reach.lowX-spare, reach.highX+spare, figures(format), "")
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
		if len(g.Values) == 0 {
			continue
		}
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

const densitySteps = 120 // points of the outline

// density is the outline of a sample's kernel density, its peak at share 1. It
// goes as far as the sample does: over an axis that is much wider, steps would
// miss the peak.
func density(sample stats.Sample, p *plot.Plot, x, y func(float64) vg.Length) []vg.Point {
	if len(sample.Xs) < 2 || sample.StdDev() == 0 {
		return nil
	}
	low, high := sample.Bounds()
	spare := (high - low) / 2
	low, high = math.Max(low-spare, p.X.Min), math.Min(high+spare, p.X.Max)
	kde := stats.KDE{Sample: sample}
	heights, peak := make([]float64, densitySteps), 0.0
	at := func(i int) float64 { return low + (high-low)*float64(i)/(densitySteps-1) }
	for i := range heights {
		heights[i] = kde.PDF(at(i))
		peak = math.Max(peak, heights[i])
	}
	if !(peak > 0) {
		return nil
	}
	var outline []vg.Point
	for i, h := range heights {
		outline = append(outline, vg.Point{X: x(at(i)), Y: y(h / peak)})
	}
	return outline
}
