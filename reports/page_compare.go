package reports

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// comparisonParts are the chapters about two runs or more: the newest against
// the oldest, then how figures moved over all of them.
func comparisonParts(runs []Loaded) []part {
	old, new := runs[0], runs[len(runs)-1]
	parts := []part{changesPart(old, new), overlayPart(old, new)}
	if len(runs) > 2 {
		parts = append(parts, trendPart(runs))
	}
	return parts
}

// Compare compares two runs; on different hardware by multiples of floors alone.
func Compare(old, new Loaded) (record.Comparison, error) {
	a, b := judge.SideOf(old.Name, old.Run), judge.SideOf(new.Name, new.Run)
	c, err := judge.Compare(a, b, judge.Alpha)
	if errors.Is(err, judge.ErrHardware) {
		return judge.Across(a, b, judge.Alpha)
	}
	return c, err
}

func changesPart(old, new Loaded) part {
	p := part{ID: "changes", Title: "What changed", Lead: fmt.Sprintf("%s (new) over %s (old). A change counts when the Mann-Whitney test is significant after Holm's adjustment for all rows together: "+
		"the chance of any false alarm on this page is 5 %%. The interval of the ratio is resampled by run.", new.Name, old.Name)}
	c, err := Compare(old, new)
	if err != nil {
		p.Blocks = append(p.Blocks, block{Lines: []string{"Not compared: " + err.Error()}})
		return p
	}
	p.Blocks = append(p.Blocks, block{Lines: comparisonRemarks(c)}, block{Table: changesTable(c)})
	figure, err := forestPlot(c)
	p.Blocks = append(p.Blocks, drawnBlock(figure, err, "Ratios of medians, new over old, with their 95 % intervals. For times the left is better, for rates the right."))
	return p
}

// comparisonRemarks are what must be known of a comparison beside its rows.
func comparisonRemarks(c record.Comparison) []string {
	count := map[string]int{}
	for _, x := range c.Changes {
		count[x.Direction]++
	}
	lines := []string{fmt.Sprintf("%d better, %d worse, %d without a significant change", count[record.Better], count[record.Worse], count[record.Same])}
	for _, a := range c.Across {
		lines = append(lines, "The hardware differs, so that only multiples of floors were compared: "+a)
	}
	if len(c.Missing) > 0 {
		lines = append(lines, "Only in the old: "+strings.Join(c.Missing, ", "))
	}
	if len(c.Added) > 0 {
		lines = append(lines, "Only in the new: "+strings.Join(c.Added, ", "))
	}
	return append(lines, c.Warnings...)
}

// byWeight is the changes of c with those for the worse first, then those for
// the better, each by how much.
func byWeight(c record.Comparison) []record.Change {
	order := map[string]int{record.Worse: 0, record.Better: 1, record.Same: 2}
	return slices.SortedStableFunc(slices.Values(c.Changes), func(a, b record.Change) int {
		return cmp.Or(cmp.Compare(order[a.Direction], order[b.Direction]), cmp.Compare(weight(b), weight(a)))
	})
}

func weight(c record.Change) float64 { return max(c.Ratio, 1/c.Ratio) }

func changesTable(c record.Comparison) *table {
	t := &table{Caption: "Every row in every unit", Head: []column{{"row", false}, {"unit", false}, {"change", false}, {"old", true}, {"new", true}, {"ratio", true}, {"95 % interval", true}, {"p, adjusted", true}, {"trials", true}}}
	for _, x := range byWeight(c) {
		t.Rows = append(t.Rows, []cell{{Name: x.Row}, {Text: x.Unit}, {Text: x.Direction, Class: verdictClass[x.Direction]},
			number(figure(x.Old.Value, x.Unit), x.Old.Value), number(figure(x.New.Value, x.Unit), x.New.Value), number(times3(x.Ratio), x.Ratio),
			{Text: times3(x.RatioLow) + "-" + times3(x.RatioHi)}, number(pValue(x.PHolm), x.PHolm), {Text: fmt.Sprintf("%d+%d", x.Old.N, x.New.N)}})
	}
	return t
}

// times3 writes a ratio to three decimals: changes of a percent must show.
func times3(v float64) string { return fmt.Sprintf("%.3f", v) }

func pValue(p float64) string {
	if p < 0.0005 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

const forestMax = 40 // rows: the ones that changed most

func forestPlot(c record.Comparison) (*chart.Figure, error) {
	var ratios []chart.Ratio
	for _, x := range byWeight(c) {
		if len(ratios) == forestMax {
			break
		}
		ratios = append(ratios, chart.Ratio{Name: x.Row + " " + x.Unit, At: x.Ratio, Low: x.RatioLow, High: x.RatioHi,
			Worse: x.Direction == record.Worse, Certain: x.Direction != record.Same})
	}
	return chart.Forest("new over old", fmt.Sprintf("%d rows", len(ratios)), ratios)
}

// overlayPart lays the percentiles of both runs over each other, and the trials
// of the rows that changed.
func overlayPart(old, new Loaded) part {
	p := part{ID: "overlays", Title: "Both at once"}
	for _, a := range old.Run.Rows {
		for _, b := range new.Run.Rows {
			if a.Benchmark() == b.Benchmark() {
				p.Blocks = append(p.Blocks, overlays(a, b)...)
			}
		}
	}
	c, err := Compare(old, new)
	if err != nil || len(c.Across) > 0 {
		return p
	}
	a, b := judge.SideOf(old.Name, old.Run), judge.SideOf(new.Name, new.Run)
	for _, x := range byWeight(c) {
		if x.Direction != record.Same {
			figure, err := trialsPlot(x.Row, x.Unit, []chart.Group{{Name: "old", Values: a.Values(x.Row, x.Unit)}, {Name: "new", Values: b.Values(x.Row, x.Unit)}})
			p.Blocks = append(p.Blocks, drawnBlock(figure, err, fmt.Sprintf("The trials of %s in %s: %s, p %s.", x.Row, x.Unit, x.Direction, pValue(x.PHolm))))
		}
	}
	return p
}

// overlays draws each distribution that both rows have.
func overlays(old, new record.Row) []block {
	var blocks []block
	for _, a := range old.Distributions {
		for _, b := range new.Distributions {
			if a.Name == b.Name {
				figure, err := overlayPlot(old, a, b)
				blocks = append(blocks, drawnBlock(figure, err, a.Name+" of "+old.Name()+" by percentile, old and new."))
			}
		}
	}
	return blocks
}

func overlayPlot(row record.Row, a, b record.Distribution) (*chart.Figure, error) {
	before, err := curve(a)
	if err != nil {
		return nil, err
	}
	after, err := curve(b)
	if err != nil {
		return nil, err
	}
	before.Name, after.Name = "old, "+judge.Grouped(a.Count)+" samples", "new, "+judge.Grouped(b.Count)+" samples"
	return chart.Percentiles(row.Name(), "Latency by percentile, two runs", []chart.Series{before, after}, levels(row))
}

// trendPart shows the figures that targets are stated for over all runs.
func trendPart(runs []Loaded) part {
	p := part{ID: "trends", Title: "Over " + plural(len(runs), "run"), Lead: "Medians with their 95 % intervals, oldest first. Runs of other hardware than the newest are left out."}
	newest := runs[len(runs)-1].Run
	seen := map[string]bool{}
	for _, row := range newest.Rows {
		for _, j := range row.Judgements {
			name := row.Benchmark() + " in " + j.Unit
			if j.N == 0 || seen[name] {
				continue
			}
			seen[name] = true
			figure, err := trendPlot(runs, row, j)
			p.Blocks = append(p.Blocks, drawnBlock(figure, err, name+" from run to run, held against "+j.Target+"."))
		}
	}
	return p
}

func trendPlot(runs []Loaded, row record.Row, j record.Judgement) (*chart.Figure, error) {
	var moments []chart.Moment
	hardware := runs[len(runs)-1].Run.Hardware()
	for _, r := range runs {
		if !slices.Equal(hardware, r.Run.Hardware()) {
			continue
		}
		side := judge.SideOf(r.Name, r.Run)
		values := side.Values(row.Benchmark(), j.Unit)
		if len(values) == 0 {
			continue
		}
		m := chart.Moment{Name: r.Run.Started.UTC().Format("01-02 15:04"), At: judge.Summarise(values).Center}
		if s := judge.Summarise(values); s.Bounded {
			m.Low, m.High = s.Low, s.High
		}
		moments = append(moments, m)
	}
	level := chart.Level{Name: "target " + j.Target + ": " + bound(j.Bound, j.Unit, j.AtLeast), At: j.Bound}
	return chart.Trend(row.Name()+" in "+j.Unit, fmt.Sprintf("%d runs", len(moments)), moments, func(v float64) string { return tick(v, j.Unit) }, []chart.Level{level})
}
