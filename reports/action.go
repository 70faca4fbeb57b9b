package reports

import (
	"fmt"
	"io"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// actionEntry is an entry of github-action-benchmark's custom formats.
type actionEntry struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Range string  `json:"range,omitempty"`
	Extra string  `json:"extra,omitempty"`
}

// Action writes run for github-action-benchmark, which wants a file for each
// direction: the units of which more is better (its tool
// "customBiggerIsBetter"), or the others ("customSmallerIsBetter").
func Action(w io.Writer, run record.Run, bigger bool) error {
	entries := []actionEntry{}
	for _, row := range run.Rows {
		if row.Oversubscribed != "" {
			continue
		}
		for _, unit := range row.Units() {
			s := judge.Summarise(row.Values(unit))
			if judge.MoreIsBetter(unit) != bigger || !(s.Center > 0) {
				continue
			}
			e := actionEntry{Name: row.Benchmark() + " " + unit, Unit: unit, Value: s.Center, Extra: fmt.Sprintf("host %s, %d trials", run.Fitness.Verdict, s.N)}
			if s.Bounded {
				e.Range = exact(s.Low) + " - " + exact(s.High)
			}
			entries = append(entries, e)
		}
	}
	return writeJSON(w, entries)
}
