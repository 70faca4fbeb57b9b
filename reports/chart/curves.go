package chart

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// Note is a word beside a point.
type Note struct {
	At   Point
	Text string
}

// OverTime draws latencies in ns (Y, logarithmic) over ns since the start (X).
func OverTime(title, about string, series []Series, levels []Level) (*Figure, error) {
	f, reach, err := curves(title, about, series, 1e-9)
	if err != nil {
		return nil, err
	}
	for _, l := range levels {
		reach.include(plotter.XYs{{X: reach.lowX, Y: l.At}})
		f.across(l, 0, reach.highX)
	}
	linear(&f.plot.X, 0, reach.highX, plot.DefaultTicks{}, "time, s")
	durations(&f.plot.Y, reach.lowY, reach.highY, "latency")
	return f, nil
}

// Loads draws latencies in ns (Y, logarithmic) over the rate that was kept, in
// events/s (X): the throughput-latency curve. knee is the highest rate that
// held; 0 draws none. notes say what state a point was reached in.
func Loads(title, about string, series []Series, knee float64, notes []Note) (*Figure, error) {
	f, reach, err := curves(title, about, series, 1)
	if err != nil {
		return nil, err
	}
	linear(&f.plot.X, 0, reach.highX, scaled{}, "events/s")
	durations(&f.plot.Y, reach.lowY, reach.highY, "latency")
	if knee > 0 {
		f.upright(Level{Name: "knee: " + SI(knee) + " events/s", At: knee}, f.plot.Y.Min, f.plot.Y.Max)
	}
	f.notes(notes)
	return f, nil
}

// Sweep draws costs in ns (Y, logarithmic) over working sets in bytes (X, by
// powers of two); caches are upright lines at their sizes.
func Sweep(title, about string, series []Series, caches []Level) (*Figure, error) {
	f, reach, err := curves(title, about, series, 1)
	if err != nil {
		return nil, err
	}
	durations(&f.plot.Y, reach.lowY, reach.highY, "time")
	x := &f.plot.X
	x.Min, x.Max = reach.lowX, max(reach.highX, reach.lowX*2)
	x.Scale, x.Tick.Marker, x.Label.Text = plot.LogScale{}, sizeTicks{}, "working set"
	for _, c := range caches {
		if c.At > x.Min && c.At < x.Max {
			f.upright(Level{At: c.At, Kind: FloorLevel}, f.plot.Y.Min, f.plot.Y.Max)
			f.notes([]Note{{Point{c.At, f.plot.Y.Max}, c.Name}})
		}
	}
	return f, nil
}

// curves starts a figure with series as lines, x scaled by factor.
func curves(title, about string, series []Series, factor float64) (*Figure, extent, error) {
	f, reach := newFigure(title, about), newExtent()
	if len(series) > SeriesMax {
		return nil, reach, fmt.Errorf("%s: %d series, and only %d can be told apart", title, len(series), SeriesMax)
	}
	f.drawGrid()
	for i, s := range series {
		points := drawable(s.Points, factor)
		if len(points) == 0 {
			continue
		}
		reach.include(points)
		f.line(i, s.Name, decimated(points), drawable(s.Marks, factor))
	}
	if reach.empty() {
		return nil, reach, fmt.Errorf("%s: %w", title, ErrEmpty)
	}
	return f, reach, nil
}

// drawable is the points above 0 on a logarithmic axis, x scaled by factor.
func drawable(points []Point, factor float64) plotter.XYs {
	var out plotter.XYs
	for _, p := range points {
		if p.Y > 0 {
			out = append(out, plotter.XY{X: p.X * factor, Y: p.Y})
		}
	}
	return out
}

func (f *Figure) notes(notes []Note) {
	for _, n := range notes {
		f.words(plotter.XYs{{X: n.At.X, Y: n.At.Y}}, []string{n.Text}, 0, 5)
	}
}
