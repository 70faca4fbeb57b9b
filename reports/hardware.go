package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// hardwarePart shows what the machine itself costs.
func hardwarePart(run record.Run) part {
	p := part{ID: "hardware", Title: "Hardware", Lead: "What the machine itself costs, under everything that the engine does."}
	p.show(hardwareExhibits(run)...)
	return p
}

func hardwareExhibits(run record.Run) (all []exhibit) {
	for _, m := range run.Matrices {
		all = append(all, exhibit{name: m.Name, draw: func() (*chart.Figure, error) { return matrixPlot(m) }, numbers: matrixTable(m),
			reading: m.Name + ", in " + m.Unit + ": from each " + m.From + " (downwards) to each " + m.To + " (across). Blocks of one colour are what share a cache or a node. " + m.How})
	}
	for _, s := range run.Caches {
		all = append(all, exhibit{name: s.Name, draw: func() (*chart.Figure, error) { return sweepPlot(s) }, numbers: sweepTable(s),
			reading: s.Name + " as the working set grows, with 95 % intervals: a step up is a cache left behind. " + s.How})
	}
	causes := tellable(causesOf(run.Strips))
	for _, s := range run.Strips {
		all = append(all, exhibit{name: fmt.Sprintf("gaps of %s on CPU %d", s.Name, s.CPU), draw: func() (*chart.Figure, error) { return stripPlot(s, causes) }, numbers: stripTable(s),
			reading: fmt.Sprintf("Time torn out of the loop %s on CPU %d: %s gaps, %.3f %% of %s; the longest of each moment are drawn, by what caused them. A quiet host shows an empty strip.",
				s.Name, s.CPU, judge.Grouped(s.Count), 100*float64(s.Lost)/float64(max(s.Ns, 1)), chart.Duration(float64(s.Ns)))})
	}
	return all
}

func matrixPlot(m record.Matrix) (*chart.Figure, error) {
	if len(m.Values) != len(m.Rows) {
		return nil, fmt.Errorf("%s: %d rows of values for %d names", m.Name, len(m.Values), len(m.Rows))
	}
	g := chart.Grid{From: "from " + m.From, To: "to " + m.To, Rows: m.Rows, Columns: m.Columns, Format: plainNumber}
	for i := range m.Values {
		line := make([]float64, len(m.Columns))
		for j := range line {
			line[j] = math.NaN()
			if v := m.At(i, j); v != nil {
				line[j] = *v
			}
		}
		g.Values = append(g.Values, line)
	}
	return chart.Heat(m.Name+", "+m.Unit, m.How, g)
}

const columnsMost = 16 // of a matrix that is shown as a table too; larger ones are in the CSV

func matrixTable(m record.Matrix) *table {
	if len(m.Columns) > columnsMost {
		return nil
	}
	t := &table{Caption: m.Name + ", " + m.Unit, Head: heads("from " + m.From)}
	for _, c := range m.Columns {
		t.Head = append(t.Head, column{"to " + c, true})
	}
	for i, name := range m.Rows {
		cells := []cell{number(name, float64(i))}
		for j := range m.Columns {
			c := cell{Text: "-", Class: "mute"} // not measured
			if v := m.At(i, j); v != nil {
				c = number(plainNumber(*v), *v)
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func sweepPlot(s record.Sweep) (*chart.Figure, error) {
	var line chart.Series
	for _, at := range s.Points {
		line.Points = append(line.Points, chart.Point{X: float64(at.Bytes), Y: at.Value})
		line.Ranges = append(line.Ranges, chart.Range{X: float64(at.Bytes), Low: at.Low, High: at.High})
	}
	line.Marks = line.Points
	var caches []chart.Level
	for _, c := range s.Levels {
		caches = append(caches, chart.Level{Name: c.Name + " " + chart.Bytes(c.Bytes), At: float64(c.Bytes)})
	}
	return chart.Sweep(s.Name, s.How, []chart.Series{line}, caches)
}

func sweepTable(s record.Sweep) *table {
	t := &table{Caption: s.Name + " by working set", Head: heads("#working set", "#"+s.Unit, "#95 % interval")}
	for _, p := range s.Points {
		cells := []cell{number(chart.Bytes(p.Bytes), float64(p.Bytes)), number(plainNumber(p.Value), p.Value), {}}
		if p.High > 0 {
			cells[2].Text = interval(p.Value, p.Low, p.High, s.Unit)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// causesOf is what caused the gaps of all strips, the one that took the most
// time first.
func causesOf(strips []record.Strip) []string {
	lost := map[string]int64{}
	var causes []string
	for _, s := range strips {
		for _, g := range s.Gaps {
			if _, seen := lost[g.Cause]; !seen {
				causes = append(causes, g.Cause)
			}
			lost[g.Cause] += g.Ns
		}
	}
	slices.SortStableFunc(causes, func(a, b string) int { return cmp.Compare(lost[b], lost[a]) })
	return causes
}

// tellable is as many causes as can be told apart, the last of them for all others.
func tellable(causes []string) []string {
	if len(causes) <= chart.SeriesMax {
		return causes
	}
	return append(slices.Clone(causes[:chart.SeriesMax-1]), "other causes")
}

// stripPlot draws s with one colour a cause, the same in all strips.
func stripPlot(s record.Strip, causes []string) (*chart.Figure, error) {
	series := make([]chart.Series, len(causes))
	for i, c := range causes {
		series[i].Name = c
	}
	for _, g := range s.Gaps {
		i := slices.Index(causes, g.Cause)
		if i < 0 {
			i = len(causes) - 1
		}
		series[i].Points = append(series[i].Points, chart.Point{X: float64(g.At), Y: float64(g.Ns)})
	}
	title := fmt.Sprintf("gaps of %s on CPU %d", s.Name, s.CPU)
	return chart.Strip(title, fmt.Sprintf("%d gaps by cause over time", len(s.Gaps)), series)
}

// stripTable sums the gaps that were kept by cause.
func stripTable(s record.Strip) *table {
	t := &table{Caption: fmt.Sprintf("Causes of the %s that were kept on CPU %d", plural(len(s.Gaps), "gap"), s.CPU), Head: heads("cause", "#gaps", "#together", "#longest")}
	for _, cause := range causesOf([]record.Strip{s}) {
		var count, together, longest int64
		for _, g := range s.Gaps {
			if g.Cause == cause {
				count, together, longest = count+1, together+g.Ns, max(longest, g.Ns)
			}
		}
		t.Rows = append(t.Rows, []cell{{Text: cause}, number(strconv.FormatInt(count, 10), float64(count)), number(figure(float64(together), "ns"), float64(together)), number(figure(float64(longest), "ns"), float64(longest))})
	}
	return t
}
