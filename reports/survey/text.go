package survey

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"eventstreamcore/probes"
	"eventstreamcore/reports/chart"
)

// Text writes every part that was measured, each in columns of its own.
func Text(w io.Writer, v probes.Survey) error {
	p := page{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	if v.Topology != nil {
		p.topology(v.Topology, v.Facts)
	}
	if v.Topology != nil && v.Fitness != nil {
		p.line("")
	}
	p.fitness(v.Fitness)
	p.clock(v.Clock)
	p.transfers(v.Transfers)
	p.curves(v.Curves)
	p.floors("atomics, an operation", v.Atomics)
	p.floors("kernel", v.Kernel)
	p.floors("loopback, 64 bytes there and back", v.Network)
	p.floors("disk, 4 KiB a write", v.Disk)
	p.perf(v.Perf)
	p.jitters(v.Jitter, v.Calm)
	for _, m := range v.Missing {
		p.line("not measured: %s", m)
	}
	return p.Flush()
}

// page is text whose rows stand in columns, up to the next line that is none.
// What its writer refuses, Flush returns.
type page struct{ *tabwriter.Writer }

// row writes cells.
func (p page) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = fmt.Sprint(c)
	}
	fmt.Fprintln(p, strings.Join(texts, "\t"))
}

func (p page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p page) title(format string, args ...any) { p.line("\n"+format, args...) }

// or is the value behind p, or a word for nothing known.
func or[T any](p *T) string {
	if p == nil {
		return "unknown"
	}
	return fmt.Sprint(*p)
}

// interval writes a floor's median and the interval of it.
func interval(f probes.Floor) string {
	return fmt.Sprintf("%s\t[%s, %s]\tn=%d", chart.Duration(f.Ns), chart.Duration(f.Low), chart.Duration(f.High), f.N)
}

func (p page) floors(title string, floors []probes.Floor) {
	if len(floors) == 0 {
		return
	}
	p.title("%s", title)
	for _, f := range floors {
		p.row("  "+f.Name, interval(f), f.How)
	}
}

func (p page) clock(c *probes.ClockSurvey) {
	if c == nil {
		return
	}
	r := c.Ruler
	p.title("clock")
	p.row("  rate", fmt.Sprintf("%.6g MHz, calibrations agree to %.1e", r.Hz/1e6, c.Agreement))
	p.row("  a read", interval(c.Read))
	p.row("  an empty interval", interval(c.Empty))
	p.row("  time.Now", interval(c.TimeNow))
	p.row("  step", chart.Duration(r.ResolutionNs))
	p.row("  drift from CLOCK_MONOTONIC_RAW", fmt.Sprintf("%.2g ppm", r.DriftBefore*1e6))
	for _, pace := range c.Rates {
		p.row(fmt.Sprintf("  CPU %d runs at", pace.CPU), fmt.Sprintf("%.2f GHz", pace.GHz))
	}
	for _, o := range c.Offsets {
		verdict := "ahead or behind"
		if o.Within() {
			verdict = "not to be told from 0"
		}
		p.row(fmt.Sprintf("  CPU %d against %d", o.CPU, o.Against), fmt.Sprintf("%+.1f ns within %.1f ns: %s", o.Ns, o.UncertaintyNs, verdict))
	}
	if !c.Trusted {
		p.row("  DOUBT", c.Doubt)
	}
}

func (p page) transfers(x *probes.Transfers) {
	if x == nil {
		return
	}
	how := "every pair"
	if x.Sampled {
		how = "some pairs of each relation"
	}
	p.title("core to core, one way (half a round trip), %s of CPUs %v", how, x.Matrix.CPUs)
	for _, s := range x.Summaries {
		p.row("  "+s.Relation.String(), fmt.Sprintf("median %s\tleast %s\tmost %s\tpairs %d", chart.Duration(s.Median), chart.Duration(s.Least), chart.Duration(s.Most), s.Pairs))
	}
	if len(x.Pairs) <= 6 {
		for _, pair := range x.Pairs {
			p.row(fmt.Sprintf("  CPUs %d and %d", pair.A, pair.B), interval(pair.OneWay), pair.Relation)
		}
	}
	for _, h := range x.Homes {
		p.row(fmt.Sprintf("  line on node %d", h.Node), interval(h.OneWay))
	}
}

func (p page) curves(curves []probes.Curve) {
	for _, c := range curves {
		p.title("memory from CPU %d, node %s", c.CPU, or(c.Node))
		p.row("  working set", "latency", "interval", "samples", "read", "write", "copy")
		for _, pt := range c.Points {
			p.row("  "+chart.Bytes(int64(pt.Bytes)), interval(pt.Latency), perSecond(pt.Read), perSecond(pt.Write), perSecond(pt.Copy))
		}
	}
}

func (p page) perf(perf *probes.PerfSurvey) {
	if perf == nil {
		return
	}
	p.title("performance counters, a load of %d in random order", perf.Walks)
	p.row("  counter", "over 4 KiB", "over 64 MiB")
	for _, near := range perf.Near {
		far, _ := probes.Of(perf.Far, near.Name)
		p.row("  "+near.Name, perLoad(near, perf.Walks), perLoad(far, perf.Walks))
	}
	for _, m := range perf.Missing {
		p.row("  missing", m)
	}
}

// perLoad is a count for each load, with a mark where it was estimated from part
// of the time.
func perLoad(c probes.Count, loads int) string {
	text := strconv.FormatFloat(c.Value/float64(loads), 'g', 3, 64)
	if c.Share < 1 {
		text += fmt.Sprintf(" (counted %.0f %% of the time)", c.Share*100)
	}
	return text
}

func perSecond(r probes.Rate) string { return chart.SI(r.PerSecond) + "B/s" }
