package record

import (
	"fmt"
	"strings"
)

// Name is the row's name in the benchmark format without its "Benchmark" and
// -P suffix: workload/key=value/.., in the order of Params. It tells the rows
// of a run apart and is what two runs are matched by.
func (r Row) Name() string {
	var b strings.Builder
	b.WriteString(r.Workload)
	for _, p := range r.Params {
		fmt.Fprintf(&b, "/%s=%s", p.Key, p.Value)
	}
	return b.String()
}

// Valid is the trials that count.
func (r Row) Valid() []Trial {
	var valid []Trial
	for _, t := range r.Trials {
		if t.Invalid == "" {
			valid = append(valid, t)
		}
	}
	return valid
}

// Units is every unit that a valid trial has, in order of first appearance.
func (r Row) Units() []string {
	var units []string
	seen := map[string]bool{}
	for _, t := range r.Valid() {
		for _, v := range t.Values {
			if !seen[v.Unit] {
				seen[v.Unit] = true
				units = append(units, v.Unit)
			}
		}
	}
	return units
}

// Values is what the valid trials measured in unit, in the order of the trials;
// a trial without that unit is left out.
func (r Row) Values(unit string) []float64 {
	var values []float64
	for _, t := range r.Valid() {
		for _, v := range t.Values {
			if v.Unit == unit {
				values = append(values, v.Value)
			}
		}
	}
	return values
}
