package reports

import (
	"fmt"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

const trialsLeast = 3 // fewer are better read in the table

// trialsExhibits shows how the trials of a row lie in its first unit.
func trialsExhibits(row record.Row) []exhibit {
	units := row.Units()
	if len(units) == 0 {
		return nil
	}
	unit := units[0]
	values := row.Values(unit)
	if len(values) < trialsLeast {
		return nil
	}
	return []exhibit{{name: row.Name() + ".trials", draw: func() (*chart.Figure, error) {
		return trialsPlot(row.Name(), unit, []chart.Group{{Name: "trials", Values: values}})
	},
		reading: fmt.Sprintf("The %d trials of %s in %s: each as a ring, the middle half as a box with the median in it, their density above. Two humps mean two modes.", len(values), row.Name(), unit)}}
}

func trialsPlot(name, unit string, groups []chart.Group) (*chart.Figure, error) {
	about := "Trials in " + unit
	for _, g := range groups {
		about += fmt.Sprintf("; %s: median %s", g.Name, figure(judge.Summarise(g.Values).Center, unit))
	}
	return chart.Trials(name+" in "+unit, about, groups, func(v float64) string { return tick(v, unit) })
}

// tick writes a value on an axis of unit.
func tick(v float64, unit string) string {
	switch {
	case judge.IsNs(unit):
		return chart.Duration(v)
	case judge.IsRate(unit):
		return chart.SI(v)
	}
	return plainNumber(v)
}
