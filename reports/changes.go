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

// Compare compares two runs; on different hardware by multiples of floors alone.
func Compare(old, new Loaded) (record.Comparison, error) {
	a, b := judge.SideOf(old.Name, old.Run), judge.SideOf(new.Name, new.Run)
	c, err := judge.Compare(a, b, judge.Alpha)
	if errors.Is(err, judge.ErrHardware) {
		return judge.Across(a, b, judge.Alpha)
	}
	return c, err
}

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

// comparisonExhibits is every plot of a comparison.
func comparisonExhibits(runs []Loaded) []exhibit {
	old, new := runs[0], runs[len(runs)-1]
	all := overlayExhibits(old, new)
	if c, err := Compare(old, new); err == nil {
		all = append(all, forestExhibit(c))
		all = append(all, changedExhibits(c, old, new)...)
	}
	if len(runs) > 2 {
		judged, others := trendExhibits(runs)
		all = slices.Concat(all, judged, others)
	}
	return all
}

func changesPart(old, new Loaded) part {
	p := part{ID: "changes", Title: "What changed", Lead: fmt.Sprintf("%s (new) over %s (old).", new.Name, old.Name)}
	c, err := Compare(old, new)
	if err != nil {
		p.Blocks = append(p.Blocks, block{Lines: []string{"Not compared: " + err.Error()}})
		return p
	}
	p.Lead += " " + howTested(c)
	p.Blocks = append(p.Blocks, block{Lines: comparisonRemarks(c)}, block{Table: changesTable(c)})
	p.show(forestExhibit(c))
	p.fold("The trials of what changed", changedExhibits(c, old, new))
	for _, only := range []struct {
		title string
		names []string
	}{{"All that only the old has", c.Missing}, {"All that only the new has", c.Added}} {
		if len(only.names) > fewMost {
			p.Blocks = append(p.Blocks, block{Folded: &folded{only.title, []block{{Lines: only.names}}}})
		}
	}
	return p
}

// howTested says what the p-values, ratios and intervals of a comparison are.
func howTested(c record.Comparison) string {
	pairs := 0
	for _, x := range c.Changes {
		pairs = max(pairs, x.Pairs)
	}
	test, ratio := "the Mann-Whitney test", "of medians, new over old, with 95 % intervals resampled by run"
	if pairs > 0 {
		test = fmt.Sprintf("Wilcoxon's signed ranks over %s of processes that took turns", plural(pairs, "pair"))
		ratio = "what the new took over the old within a pair, by Hodges and Lehmann, with 95 % intervals"
	}
	return fmt.Sprintf("p is of %s, adjusted by Holm for %s together; a change counts at %v. Ratios are %s.", test, plural(len(c.Changes), "row"), c.Alpha, ratio)
}

// comparisonRemarks are what must be known of a comparison beside its rows.
func comparisonRemarks(c record.Comparison) []string {
	count := map[string]int{}
	for _, x := range c.Changes {
		count[x.Direction]++
	}
	lines := []string{fmt.Sprintf("%d better, %d worse, %d without a significant change", count[record.Better], count[record.Worse], count[record.Same])}
	if n := count[record.Inconclusive]; n > 0 {
		lines[0] += fmt.Sprintf(", %d significant but %s", n, record.Inconclusive)
	}
	for _, a := range c.Across {
		lines = append(lines, "The hardware differs, so that only multiples of floors were compared: "+a)
	}
	if len(c.Missing) > 0 {
		lines = append(lines, "Only in the old: "+few(c.Missing))
	}
	if len(c.Added) > 0 {
		lines = append(lines, "Only in the new: "+few(c.Added))
	}
	return append(lines, c.Warnings...)
}

const fewMost = 4 // names that are listed before the rest is only counted

func few(names []string) string {
	if len(names) <= fewMost {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:fewMost-1], ", "), len(names)-fewMost+1)
}

// byWeight is the changes of c with those for the worse first, then those for
// the better, each by how much.
func byWeight(c record.Comparison) []record.Change {
	order := map[string]int{record.Worse: 0, record.Better: 1, record.Inconclusive: 2, record.Same: 3}
	return slices.SortedStableFunc(slices.Values(c.Changes), func(a, b record.Change) int {
		return cmp.Or(cmp.Compare(order[a.Direction], order[b.Direction]), cmp.Compare(weight(b), weight(a)))
	})
}

func weight(c record.Change) float64 { return max(c.Ratio, 1/c.Ratio) }

func changesTable(c record.Comparison) *table {
	t := &table{Caption: "Every row in every unit", Head: heads("row", "unit", "change", "#old", "#new", "#ratio", "#95 % interval", "#p, adjusted", "#trials")}
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

func forestExhibit(c record.Comparison) exhibit {
	return exhibit{name: "changes", reading: "Ratios, new over old, with their 95 % intervals. For times the left is better, for rates the right.",
		draw: func() (*chart.Figure, error) { return forestPlot(c) }}
}

func forestPlot(c record.Comparison) (*chart.Figure, error) {
	outcomes := map[string]chart.Outcome{record.Better: chart.Good, record.Worse: chart.Poor, record.Same: chart.Unsure, record.Inconclusive: chart.Unsure}
	var ratios []chart.Ratio
	for _, x := range byWeight(c) {
		if len(ratios) == forestMax {
			break
		}
		ratios = append(ratios, chart.Ratio{Name: x.Row + " " + x.Unit, At: x.Ratio, Low: x.RatioLow, High: x.RatioHi, Outcome: outcomes[x.Direction]})
	}
	return chart.Forest("new over old", plural(len(ratios), "row"), "new over old", ratios, [chart.Outcomes]string{"better", "worse", "no significant change"})
}

// changedExhibits shows the trials of both sides, of each row that changed.
func changedExhibits(c record.Comparison, old, new Loaded) (all []exhibit) {
	if len(c.Across) > 0 { // values of two machines have no place on one axis
		return nil
	}
	a, b := judge.SideOf(old.Name, old.Run), judge.SideOf(new.Name, new.Run)
	for _, x := range byWeight(c) {
		if x.Direction == record.Same {
			continue
		}
		all = append(all, exhibit{name: "trials of " + x.Row + " in " + x.Unit, reading: fmt.Sprintf("The trials of %s in %s: %s, p %s.", x.Row, x.Unit, x.Direction, pValue(x.PHolm)),
			draw: func() (*chart.Figure, error) {
				return trialsPlot(x.Row, x.Unit, []chart.Group{{Name: "old", Values: a.Values(x.Row, x.Unit)}, {Name: "new", Values: b.Values(x.Row, x.Unit)}})
			}})
	}
	return all
}

// overlayPart lays the percentiles of both runs over each other.
func overlayPart(old, new Loaded) part {
	p := part{ID: "overlays", Title: "Both at once"}
	p.show(overlayExhibits(old, new)...)
	return p
}

// overlayExhibits is a plot for each distribution that both runs have.
func overlayExhibits(old, new Loaded) (all []exhibit) {
	after := map[string]record.Row{}
	for _, row := range new.Run.Rows {
		after[row.Benchmark()] = row
	}
	for _, row := range old.Run.Rows {
		for _, a := range row.Distributions {
			for _, b := range after[row.Benchmark()].Distributions {
				if a.Name == b.Name {
					all = append(all, exhibit{name: "overlay of " + row.Name() + "." + a.Name, draw: func() (*chart.Figure, error) { return overlayPlot(row, a, b) },
						reading: a.Name + " of " + row.Name() + " by percentile, old and new."})
				}
			}
		}
	}
	return all
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
