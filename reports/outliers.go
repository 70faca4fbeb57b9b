package reports

import (
	"fmt"
	"slices"
	"strconv"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// lostExhibits shows the time that a row's loops lost during its trials. The
// rows of one cell share them: they stand with the one that has its course.
func lostExhibits(row record.Row) (all []exhibit) {
	if len(row.Distributions) > 0 && len(row.Intervals) == 0 {
		return nil
	}
	causes := tellable(causesOf(row.Strips))
	for _, s := range row.Strips {
		all = append(all, exhibit{name: row.Name() + ".gaps-" + s.Name, draw: func() (*chart.Figure, error) { return stripPlot(s, causes) }, numbers: stripTable(s),
			reading: fmt.Sprintf("What the loop %s on CPU %d lost during the trials, by its own notes: %s gaps, %.3f %% of %s.",
				s.Name, s.CPU, judge.Grouped(s.Count), 100*float64(s.Lost)/float64(max(s.Ns, 1)), chart.Duration(float64(s.Ns)))})
	}
	return all
}

// noiseBlocks is what disturbed a row: in words, outliers one by one and by
// cause, interrupts and counters.
func noiseBlocks(row record.Row) (blocks []block) {
	if lines := disturbances(row); len(lines) > 0 {
		blocks = append(blocks, block{Lines: lines})
	}
	for _, t := range []*table{blameTable(row), outlierTable(row), interruptTable(row), counterTable(row)} {
		if len(t.Rows) > 0 {
			blocks = append(blocks, block{Folded: &folded{t.Caption, []block{{Table: t}}}})
		}
	}
	return blocks
}

func blameTable(row record.Row) *table {
	t := &table{Caption: "Outliers by cause", Head: heads("cause", "#outliers", "#events", "#longest")}
	for _, b := range row.Blames {
		t.Rows = append(t.Rows, []cell{{Text: b.Cause, Class: "why"}, whole(b.Outliers), whole(b.Events), duration(b.Longest)})
	}
	return t
}

func outlierTable(row record.Row) *table {
	t := &table{Caption: "Outliers, the longest first", Head: heads("#trial", "#at", "#events in turn", "#longest", "cause")}
	for _, o := range row.Outliers {
		t.Rows = append(t.Rows, []cell{whole(o.Trial), duration(o.At), whole(o.Events), duration(o.Ns), {Text: o.Cause, About: o.Evidence, Class: "why"}})
	}
	return t
}

func interruptTable(row record.Row) *table {
	t := &table{Caption: "Interrupts during the trials", Head: heads("#CPU", "kind", "#count")}
	for _, i := range row.Interrupts {
		t.Rows = append(t.Rows, []cell{whole(i.CPU), {Text: i.Name, Class: "why"}, number(judge.Grouped(i.Count), float64(i.Count))})
	}
	return t
}

// counterTable is the performance counters of each thread, medians over trials.
func counterTable(row record.Row) *table {
	t := &table{Caption: "Performance counters, medians over the trials", Head: heads("thread", "counter", "#a trial", "#an operation")}
	type counter struct{ thread, name string }
	var order []counter
	trial, operation := map[counter][]float64{}, map[counter][]float64{}
	for _, run := range row.Valid() {
		for _, c := range run.Counters {
			k := counter{c.Thread, c.Name}
			if !slices.Contains(order, k) {
				order = append(order, k)
			}
			trial[k] = append(trial[k], c.Value)
			operation[k] = append(operation[k], c.Value/float64(max(run.N, 1)))
		}
	}
	for _, k := range order {
		each, one := judge.Summarise(trial[k]).Center, judge.Summarise(operation[k]).Center
		t.Rows = append(t.Rows, []cell{{Text: k.thread}, {Text: k.name}, number(plainNumber(each), each), number(plainNumber(one), one)})
	}
	return t
}

// whole is a cell of a count.
func whole(n int) cell { return number(strconv.Itoa(n), float64(n)) }
