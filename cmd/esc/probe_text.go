package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/chart"
)

// page is text in columns whose first error is kept.
type page struct{ *tabwriter.Writer }

func newPage(w io.Writer) page { return page{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)} }

// row writes cells.
func (p page) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = fmt.Sprint(c)
	}
	fmt.Fprintln(p, strings.Join(texts, "\t"))
}

func (p page) title(format string, args ...any) { fmt.Fprintf(p, "\n"+format+"\n", args...) }

// or is the value behind p, or a word for nothing known.
func or[T any](p *T) string {
	if p == nil {
		return "unknown"
	}
	return fmt.Sprint(*p)
}

// listed is a list, or the word for none and for nothing known.
func listed(l *topology.List) string {
	if l != nil && len(*l) == 0 {
		return "none"
	}
	return or(l)
}

func describeInfo(info map[string]string) string {
	texts := []string{}
	for _, name := range slices.Sorted(maps.Keys(info)) {
		texts = append(texts, name+" "+info[name])
	}
	return strings.Join(texts, ", ")
}

func topologyText(w io.Writer, t *topology.Topology, facts []probes.Fact) error {
	p := newPage(w)
	p.row("CPUs", fmt.Sprintf("online %v, usable %v, allowed %v", t.Online, t.Usable(), t.Allowed.CPUs))
	if len(t.Offline) > 0 {
		p.row("offline", t.Offline)
	}
	p.row("isolated", listed(t.Isolated))
	p.row("nohz_full", listed(t.NohzFull))
	p.row("packages", describeGroups(t.Packages))
	if len(t.Dies) > 0 {
		p.row("dies", describeGroups(t.Dies))
	}
	if len(t.Clusters) > 0 {
		p.row("clusters", describeGroups(t.Clusters))
	}
	p.row("cores", fmt.Sprintf("%d, of %s thread(s)", len(t.Cores), or(t.SMT)))
	for _, k := range t.Kinds {
		p.row("kind", fmt.Sprintf("CPUs %v: %s", k.CPUs, describeInfo(k.Info)))
	}
	for _, line := range cacheLines(t) {
		p.row("cache", line)
	}
	nodeLines(p, t)
	for _, h := range t.HugePages {
		p.row("huge pages", fmt.Sprintf("%s: %d, %d free", chart.Bytes(h.SizeBytes), h.Total, h.Free))
	}
	for _, n := range t.NICs {
		p.row("network", fmt.Sprintf("%s, %s, node %s, %s Mb/s", n.Name, n.State, or(n.Node), or(n.SpeedMbps)))
	}
	factLines(p, facts)
	for _, d := range t.Doubts {
		p.row("doubt", d)
	}
	return p.Flush()
}

func factLines(p page, facts []probes.Fact) {
	agree := 0
	for _, f := range facts {
		if f.Agree {
			agree++
			continue
		}
		p.row("differs", fmt.Sprintf("%s: the kernel says %s, CPUID %s", f.Name, f.Kernel, f.CPUID))
	}
	if len(facts) > 0 {
		p.row("CPUID", fmt.Sprintf("agrees in %d of %d facts", agree, len(facts)))
	}
}

func describeGroups(groups []topology.Group) string {
	texts := []string{}
	for _, g := range groups[:min(8, len(groups))] {
		texts = append(texts, fmt.Sprintf("%s: %v", or(g.ID), g.CPUs))
	}
	if len(groups) > len(texts) {
		texts = append(texts, "..")
	}
	return fmt.Sprintf("%d (%s)", len(groups), strings.Join(texts, "; "))
}

// cacheLines has a line for each level, type and size.
func cacheLines(t *topology.Topology) (lines []string) {
	counts := map[string]int{}
	for _, c := range t.Caches {
		size := "of unknown size"
		if c.SizeBytes != nil {
			size = chart.Bytes(*c.SizeBytes)
		}
		line := fmt.Sprintf("L%d %s %s, line %s, %s ways, shared by %d", c.Level, c.Type, size, or(c.LineBytes), or(c.Ways), len(c.CPUs))
		if counts[line] == 0 {
			lines = append(lines, line)
		}
		counts[line]++
	}
	for i, line := range lines {
		lines[i] = fmt.Sprintf("%d x %s", counts[line], line)
	}
	return lines
}

func nodeLines(p page, t *topology.Topology) {
	if len(t.Nodes) == 0 {
		p.row("nodes", "the kernel has no NUMA")
	}
	for _, n := range t.Nodes {
		memory := "memory unknown"
		if n.MemoryBytes != nil {
			memory = chart.Bytes(*n.MemoryBytes)
		}
		if n.FreeBytes != nil {
			memory += fmt.Sprintf(", %s free", chart.Bytes(*n.FreeBytes))
		}
		cpus := "no CPUs"
		if len(n.CPUs) > 0 {
			cpus = "CPUs " + n.CPUs.String()
		}
		distances := []string{}
		for _, other := range t.Nodes {
			if d, known := n.Distances[fmt.Sprint(other.ID)]; known {
				distances = append(distances, fmt.Sprintf("%d:%d", other.ID, d))
			}
		}
		if len(distances) == 0 {
			distances = []string{"unknown"}
		}
		p.row(fmt.Sprintf("node %d", n.ID), fmt.Sprintf("%s, %s, distances %s", cpus, memory, strings.Join(distances, " ")))
	}
	for _, tier := range t.MemoryTiers {
		p.row("memory tier", fmt.Sprintf("%d: nodes %v", tier.ID, tier.Nodes))
	}
}

// interval writes a floor's median and the interval of it.
func interval(f probes.Floor) string {
	return fmt.Sprintf("%s\t[%s, %s]\tn=%d", chart.Duration(f.Ns), chart.Duration(f.Low), chart.Duration(f.High), f.N)
}

func floorLines(p page, title string, floors []probes.Floor) {
	if len(floors) == 0 {
		return
	}
	p.title("%s", title)
	for _, f := range floors {
		p.row("  "+f.Name, interval(f), f.How)
	}
}

// surveyText prints every part that was measured.
func surveyText(w io.Writer, v probes.Survey, t *topology.Topology) error {
	if v.Topology != nil {
		if err := topologyText(w, t, v.Facts); err != nil {
			return err
		}
	}
	if v.Fitness != nil {
		fmt.Fprintln(w)
		if err := fitnessText(w, *v.Fitness); err != nil {
			return err
		}
	}
	p := newPage(w)
	clockLines(p, v.Clock)
	transferLines(p, v.Transfers)
	curveLines(p, v.Curves)
	floorLines(p, "atomics, an operation", v.Atomics)
	floorLines(p, "kernel", v.Kernel)
	floorLines(p, "loopback, 64 bytes there and back", v.Network)
	floorLines(p, "disk, 4 KiB a write", v.Disk)
	perfLines(p, v.Perf)
	if err := p.Flush(); err != nil {
		return err
	}
	if len(v.Jitter) > 0 {
		if err := jitterText(w, v); err != nil {
			return err
		}
		return nil
	}
	return missingText(w, v.Missing)
}

func missingText(w io.Writer, missing []string) error {
	for _, m := range missing {
		if _, err := fmt.Fprintln(w, "not measured:", m); err != nil {
			return err
		}
	}
	return nil
}

func clockLines(p page, c *probes.ClockSurvey) {
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

func transferLines(p page, x *probes.Transfers) {
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

func curveLines(p page, curves []probes.Curve) {
	for _, c := range curves {
		p.title("memory from CPU %d, node %s", c.CPU, or(c.Node))
		p.row("  working set", "latency", "interval", "samples", "read", "write", "copy")
		for _, pt := range c.Points {
			p.row("  "+chart.Bytes(int64(pt.Bytes)), interval(pt.Latency), perSecond(pt.Read), perSecond(pt.Write), perSecond(pt.Copy))
		}
	}
}

func perfLines(p page, perf *probes.PerfSurvey) {
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

func fitnessText(w io.Writer, f probes.Fitness) error {
	p := newPage(w)
	p.row("host", f.Verdict)
	for _, c := range f.Checks {
		p.row("  "+string(c.Verdict), c.Name, c.Value, c.Source)
	}
	if err := p.Flush(); err != nil {
		return err
	}
	for _, v := range []probes.Verdict{probes.Bad, probes.Warn, probes.Unknown} {
		for _, c := range f.Checks {
			if c.Verdict != v {
				continue
			}
			fmt.Fprintf(w, "\n%s: %s: %s\n  %s\n", c.Verdict, c.Name, c.Value, c.Why)
			if c.Mend != "" {
				fmt.Fprintf(w, "  mend: %s\n", c.Mend)
			}
			if c.Undo != "" {
				fmt.Fprintf(w, "  undo: %s\n", c.Undo)
			}
		}
	}
	return nil
}

func jitterText(w io.Writer, v probes.Survey) error {
	jitterTable(w, "jitter: a thread spinning on each CPU", v.Jitter)
	if len(v.Calm) > 0 {
		jitterTable(w, "the same without the runtime's pre-emption (GODEBUG=asyncpreemptoff=1)", v.Calm)
		fmt.Fprintln(w)
		for _, with := range v.Jitter {
			i := slices.IndexFunc(v.Calm, func(j probes.Jitter) bool { return j.CPU == with.CPU })
			if i < 0 {
				continue
			}
			goes, without := lostTo(with, probes.CauseRuntime), lostTo(v.Calm[i], probes.CauseRuntime)
			fmt.Fprintf(w, "CPU %d: the Go runtime takes %.3f %% with pre-emption and %.3f %% without; all causes %.3f %% and %.3f %%\n",
				with.CPU, goes*100, without*100, with.LostShare*100, v.Calm[i].LostShare*100)
		}
	}
	return missingText(w, v.Missing)
}

// lostTo is the share of its time that a CPU lost to one cause.
func lostTo(j probes.Jitter, cause string) float64 {
	for _, c := range j.Causes {
		if c.Name == cause {
			return float64(c.LostNs) / float64(max(j.DurationNs, 1))
		}
	}
	return 0
}

func jitterTable(w io.Writer, title string, list []probes.Jitter) {
	p := newPage(w)
	p.title("%s", title)
	for _, j := range list {
		seconds := float64(j.DurationNs) / 1e9
		p.row(fmt.Sprintf("CPU %d", j.CPU), fmt.Sprintf("lost %.3f %%", j.LostShare*100), fmt.Sprintf("%.0f gaps/s over 1 us", float64(j.Gaps)/seconds),
			"worst "+chart.Duration(float64(j.WorstNs)), fmt.Sprintf("%.2f GHz, then %.2f", j.GHzBefore, j.GHzAfter))
	}
	_ = p.Flush() // what w refuses, the next line is refused too
	for _, j := range list {
		for _, c := range j.Causes {
			fmt.Fprintf(w, "CPU %d  %-20s %5d gaps, %s: %s\n", j.CPU, c.Name, c.Gaps, chart.Duration(float64(c.LostNs)), c.Evidence)
		}
		fmt.Fprintf(w, "CPU %d  gaps by length: %s\n", j.CPU, histogramText(j.Histogram))
	}
}

func histogramText(buckets []probes.Bucket) string {
	texts := []string{}
	for _, b := range buckets {
		if b.Gaps > 0 {
			texts = append(texts, fmt.Sprintf("to %s %d", chart.Duration(float64(b.UnderNs)), b.Gaps))
		}
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ", ")
}
