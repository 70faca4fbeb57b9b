package survey

import (
	"fmt"
	"image/color"
	"io"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/chart"
)

// Sizes of the drawing, in points.
const (
	cellWide   = 34
	cellHigh   = 18
	gapWide    = 6
	titleHigh  = 16
	pageWide   = 720
	legendWide = 520
	drawnMax   = 1024 // CPUs drawn one by one; of larger machines each cache says how many it has
)

// Colours of a CPU.
var (
	usableCPU   = color.RGBA{0xd5, 0xe8, 0xf7, 0xff}
	isolatedCPU = color.RGBA{0xd6, 0xf0, 0xd2, 0xff}
	barredCPU   = color.RGBA{0xf5, 0xd6, 0xd2, 0xff}
	offlineCPU  = color.RGBA{0xe4, 0xe4, 0xe4, 0xff}
	groupFill   = []color.RGBA{{0xff, 0xff, 0xff, 0xff}, {0xf3, 0xf3, 0xf6, 0xff}, {0xe9, 0xea, 0xf1, 0xff}}
)

// box is a named group of boxes, or one CPU.
type box struct {
	name     string
	fill     color.Color
	children []box
	wide     vg.Length
	high     vg.Length
}

// drawMachine draws packages, what shares a last-level cache within them, and
// the CPUs of each core side by side; then the nodes and their memory.
func drawMachine(w io.Writer, t *topology.Topology) error {
	root := machineBox(t)
	root.measure(pageWide)
	root.wide = max(root.wide, legendWide)
	canvas := vgsvg.New(root.wide, root.high+titleHigh)
	c := draw.New(canvas)
	style := draw.TextStyle{Color: color.Black, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, 9), Handler: plot.DefaultTextHandler}
	c.FillText(style, vg.Point{X: gapWide, Y: gapWide}, "blue: usable; green: isolated; red: not allowed; grey: offline. The cells of one frame are a core.")
	root.draw(c, style, 0, root.high+titleHigh)
	_, err := canvas.WriteTo(w)
	return err
}

func machineBox(t *topology.Topology) box {
	places := t.Places()
	root := box{name: fmt.Sprintf("%d CPUs online: %v", len(t.Online), t.Online), fill: groupFill[0]}
	packages := t.Packages
	if len(packages) == 0 {
		packages = []topology.Group{{CPUs: t.Online}}
	}
	for _, p := range packages {
		b := box{name: "package " + or(p.ID), fill: groupFill[1]}
		for _, group := range byCache(p.CPUs, places) {
			b.children = append(b.children, cacheBox(t, group, places))
		}
		root.children = append(root.children, b)
	}
	if len(t.Offline) > 0 {
		root.children = append(root.children, box{name: "offline", fill: groupFill[1], children: []box{{name: t.Offline.String(), fill: offlineCPU}}})
	}
	for _, n := range t.Nodes {
		cpus, memory := contents(n)
		root.children = append(root.children, box{name: fmt.Sprintf("node %d: %s, %s", n.ID, memory, cpus), fill: groupFill[2]})
	}
	return root
}

// byCache splits CPUs by the last-level cache that they share.
func byCache(cpus topology.List, places map[int]topology.Place) (groups []topology.List) {
	at := map[int]int{}
	for _, c := range cpus {
		key := places[c].L3
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

func cacheBox(t *topology.Topology, cpus topology.List, places map[int]topology.Place) box {
	b := box{name: "no shared cache known", fill: groupFill[2]}
	if i := places[cpus[0]].L3; i >= 0 {
		b.name = fmt.Sprintf("L%d", t.Caches[i].Level)
		if size := t.Caches[i].SizeBytes; size != nil {
			b.name += " " + chart.Bytes(*size)
		}
	}
	if len(t.Online) > drawnMax {
		b.children = []box{{name: fmt.Sprintf("%d CPUs", len(cpus)), fill: usableCPU}}
		return b
	}
	core, last := box{fill: groupFill[0]}, -2
	for _, c := range sortedByCore(cpus, places) {
		if p := places[c]; len(core.children) > 0 && (p.Core != last || p.Core < 0) {
			b.children, core.children = append(b.children, core), nil
		}
		last = places[c].Core
		core.children = append(core.children, box{name: strconv.Itoa(c), fill: fillOf(t, c)})
	}
	b.children = append(b.children, core)
	return b
}

func sortedByCore(cpus topology.List, places map[int]topology.Place) []int {
	order := slices.Clone(cpus)
	slices.SortStableFunc(order, func(a, b int) int { return places[a].Core - places[b].Core })
	return order
}

func fillOf(t *topology.Topology, c int) color.Color {
	switch {
	case t.Isolated != nil && t.Isolated.Has(c):
		return isolatedCPU
	case !t.Usable().Has(c):
		return barredCPU
	}
	return usableCPU
}

// measure sets the sizes; children flow in rows no wider than within.
func (b *box) measure(within vg.Length) {
	if len(b.children) == 0 {
		b.wide, b.high = max(cellWide, vg.Length(len(b.name))*5+2*gapWide), cellHigh
		return
	}
	x, y, rowHigh := vg.Length(gapWide), b.heading(), vg.Length(0)
	for i := range b.children {
		child := &b.children[i]
		child.measure(within - 2*gapWide)
		if x > gapWide && x+child.wide+gapWide > within {
			x, y, rowHigh = gapWide, y+rowHigh+gapWide, 0
		}
		x += child.wide + gapWide
		rowHigh = max(rowHigh, child.high)
		b.wide = max(b.wide, x)
	}
	b.wide = max(b.wide, vg.Length(len(b.name))*5+2*gapWide)
	b.high = y + rowHigh + gapWide
}

// heading is the height above the children.
func (b *box) heading() vg.Length {
	if b.name == "" {
		return gapWide / 2
	}
	return titleHigh
}

// draw draws the box with its top left corner at x, top, in the same flow as
// measure laid out.
func (b *box) draw(c draw.Canvas, style draw.TextStyle, x, top vg.Length) {
	corners := []vg.Point{{X: x, Y: top}, {X: x + b.wide, Y: top}, {X: x + b.wide, Y: top - b.high}, {X: x, Y: top - b.high}}
	c.FillPolygon(b.fill, corners)
	c.StrokeLines(draw.LineStyle{Color: color.Gray{0x90}, Width: 0.5}, append(corners, corners[0]))
	if b.name != "" {
		c.FillText(style, vg.Point{X: x + gapWide, Y: top - titleHigh + 4}, b.name)
	}
	within := b.wide + 0.01 // the flow of measure, up to rounding
	cx, cy, rowHigh := vg.Length(gapWide), b.heading(), vg.Length(0)
	for i := range b.children {
		child := &b.children[i]
		if cx > gapWide && cx+child.wide > within {
			cx, cy, rowHigh = gapWide, cy+rowHigh+gapWide, 0
		}
		child.draw(c, style, x+cx, top-cy)
		cx += child.wide + gapWide
		rowHigh = max(rowHigh, child.high)
	}
}
