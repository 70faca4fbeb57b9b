package chart

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// ErrEmpty says that there is nothing to draw.
var ErrEmpty = errors.New("no sample to draw")

// Note is a word beside a point.
type Note struct {
	At   Point
	Text string
}

// Percentiles draws latencies in ns (Y, logarithmic) over percentiles (X, in
// nines). Points at 100 % have no place there and are left out.
func Percentiles(title, about string, series []Series, levels []Level) (*Figure, error) {
	f, reach, err := curves(title, about, series, nines)
	if err != nil {
		return nil, err
	}
	right := math.Max(reach.highX, 1)
	f.levels(levels, &reach, right)
	linear(&f.plot.X, 0, right, nineTicks{}, "percentile, %")
	durations(&f.plot.Y, reach.lowY, reach.highY, "latency")
	return f, nil
}

// OverTime draws latencies in ns (Y, logarithmic) over ns since the start (X).
// remarks say what happened at a point.
func OverTime(title, about string, series []Series, levels []Level, remarks []Note) (*Figure, error) {
	f, reach, err := curves(title, about, series, seconds)
	if err != nil {
		return nil, err
	}
	f.levels(levels, &reach, reach.highX)
	linear(&f.plot.X, 0, reach.highX, plot.DefaultTicks{}, "time, s")
	durations(&f.plot.Y, reach.lowY, reach.highY, "latency")
	for i := range remarks {
		remarks[i].At.X = seconds(remarks[i].At.X)
	}
	f.plot.Add(notes(remarks))
	return f, nil
}

// Loads draws latencies in ns (Y, logarithmic) over the rate that was kept, in
// events/s (X): the throughput-latency curve. knee is the highest rate that
// held; 0 draws none. remarks say what state a point was reached in.
func Loads(title, about string, series []Series, knee float64, remarks []Note) (*Figure, error) {
	f, reach, err := curves(title, about, series, same)
	if err != nil {
		return nil, err
	}
	linear(&f.plot.X, 0, reach.highX, scaled{}, "events/s")
	durations(&f.plot.Y, reach.lowY, reach.highY*2, "latency") // room for remarks
	if knee > 0 {
		f.upright(Level{Name: "knee: " + SI(knee) + " events/s", At: knee, Kind: FloorLevel}, f.plot.Y.Min, f.plot.Y.Max)
	}
	f.plot.Add(notes(remarks))
	return f, nil
}

// Sweep draws costs in ns (Y, logarithmic) over working sets in bytes (X, by
// powers of two); caches are upright lines at their sizes.
func Sweep(title, about string, series []Series, caches []Level) (*Figure, error) {
	f, reach, err := curves(title, about, series, same)
	if err != nil {
		return nil, err
	}
	if reach.lowX <= 0 {
		return nil, fmt.Errorf("%s: a working set of %v bytes", title, reach.lowX)
	}
	durations(&f.plot.Y, reach.lowY, reach.highY, "time for one access")
	x := &f.plot.X
	x.Min, x.Max = reach.lowX, max(reach.highX, reach.lowX*2)
	x.Scale, x.Tick.Marker, x.Label.Text = plot.LogScale{}, sizeTicks{}, "working set"
	var sizes notes
	for _, c := range caches {
		if c.At > x.Min && c.At < x.Max {
			f.upright(Level{At: c.At, Kind: FloorLevel}, f.plot.Y.Min, f.plot.Y.Max)
			sizes = append(sizes, Note{Point{c.At, f.plot.Y.Max}, c.Name})
		}
	}
	f.plot.Add(sizes)
	return f, nil
}

// Where an X lies on its axis.
func same(x float64) float64    { return x }
func seconds(x float64) float64 { return x / 1e9 }

// curves starts a figure with series as lines over a logarithmic axis. A sample
// that is not above 0, or whose place is not finite, cannot be drawn and is left
// out; ErrEmpty where none remains.
func curves(title, about string, series []Series, place func(float64) float64) (*Figure, extent, error) {
	f, reach := newFigure(title, about), newExtent()
	if err := countable(title, series); err != nil {
		return nil, reach, err
	}
	f.drawGrid()
	for i, s := range series {
		pieces := drawable(s.Points, place)
		if len(pieces) == 0 {
			continue
		}
		for j, points := range pieces {
			reach.include(points)
			pieces[j] = decimated(points)
		}
		f.line(i, s.Name, pieces, reach.ranges(s.Ranges, place), slices.Concat(drawable(s.Marks, place)...))
	}
	if reach.empty() {
		return nil, reach, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	return f, reach, nil
}

// countable says whether series can be told apart.
func countable(title string, series []Series) error {
	if len(series) > SeriesMax {
		return fmt.Errorf("%s: %d series, and only %d can be told apart", title, len(series), SeriesMax)
	}
	return nil
}

// drawable is the points that can be drawn, in pieces where the line is broken.
func drawable(points []Point, place func(float64) float64) (pieces []plotter.XYs) {
	broken := true
	for _, p := range points {
		at := plotter.XY{X: place(p.X), Y: p.Y}
		switch {
		case math.IsNaN(p.Y):
			broken = true
		case !(p.Y > 0) || math.IsInf(p.Y, 0) || math.IsNaN(at.X) || math.IsInf(at.X, 0):
		case broken:
			pieces, broken = append(pieces, plotter.XYs{at}), false
		default:
			last := &pieces[len(pieces)-1]
			*last = append(*last, at)
		}
	}
	return pieces
}

// levels draws those that a logarithmic axis has a place for, from 0 to right;
// the extent grows with them.
func (f *Figure) levels(levels []Level, reach *extent, right float64) {
	for _, l := range levels {
		if l.At > 0 && !math.IsInf(l.At, 0) {
			reach.include(plotter.XYs{{X: right, Y: l.At}})
			f.across(l, 0, right)
		}
	}
}

// ranges is those of all that can be drawn, at their places; the extent grows
// with them.
func (e *extent) ranges(all []Range, place func(float64) float64) (placed []Range) {
	for _, r := range all {
		if r.X = place(r.X); r.Low > 0 && r.High >= r.Low && !math.IsInf(r.High, 0) && !math.IsInf(r.X, 0) {
			placed = append(placed, r)
			e.include(plotter.XYs{{X: r.X, Y: r.Low}, {X: r.X, Y: r.High}})
		}
	}
	return placed
}
