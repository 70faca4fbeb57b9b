package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"eventstreamcore/reports/record"
)

// Side is one of the two sets of results of a comparison.
type Side struct {
	Name     string         // where it came from, for people
	Hardware []record.Param // what identifies the machine, the topology and the plan
	Samples  []Sample
	Host     string // the fitness it was measured in, "" where that is not known
	Turns    string // what sides share that were measured in turns
}

// Sample is what one row measured in one unit, one value a trial.
type Sample struct {
	Row    string // in the benchmark format's form
	Unit   string
	Values []float64
	Spread float64 // relative half-width of an error common to all Values: a floor's

	// Processes is every trial of each of several processes, in the order of
	// their turns: NaN for one that does not count. Nil where it was but one.
	Processes [][]float64
}

// XFloor is the unit of a multiple of a row's floor.
const XFloor = "x-floor"

// SideOf is the side of a run: every unit of every row, and the multiple of the
// floor where the row has one. Oversubscribed rows are shown, never judged: they
// are left out.
func SideOf(name string, run record.Run) Side {
	side := Side{Name: name, Hardware: run.Hardware(), Host: run.Fitness.Verdict, Turns: run.Turns}
	for _, row := range run.Rows {
		if row.Oversubscribed != "" {
			continue
		}
		for _, unit := range row.Units() {
			side.Add(Sample{Row: row.Benchmark(), Unit: unit, Values: row.Values(unit), Processes: processes(row, unit)})
		}
		if multiples, ok := overFloor(row); ok {
			side.Add(multiples)
		}
	}
	return side
}

// processes is what each process measured of a row in unit, trial by trial.
func processes(row record.Row, unit string) (all [][]float64) {
	for _, t := range row.Trials {
		if t.Process == 0 {
			return nil
		}
		for len(all) < t.Process {
			all = append(all, nil)
		}
		figure := math.NaN()
		for _, v := range t.Values {
			if v.Unit == unit && t.Invalid == "" {
				figure = v.Value
			}
		}
		all[t.Process-1] = append(all[t.Process-1], figure)
	}
	return all
}

// overFloor is a row's figures as multiples of its floor.
func overFloor(row record.Row) (Sample, bool) {
	s := Sample{Row: row.Benchmark(), Unit: XFloor}
	if row.Floor == nil || !(row.Floor.Ns > 0) {
		return s, false
	}
	for _, v := range row.Values(row.FloorUnit) {
		if x := OverFloor(row.FloorUnit, v, row.Floor); x > 0 {
			s.Values = append(s.Values, x)
		}
	}
	s.Spread = (row.Floor.High - row.Floor.Low) / 2 / row.Floor.Ns
	return s, len(s.Values) > 0
}

// Interleaved says that both were measured in turns, in the same minutes.
func Interleaved(old, new Side) bool { return old.Turns != "" && old.Turns == new.Turns }

// Add adds values to the sample of their row and unit. A value that is not
// above zero and finite could not be compared; it is left out, as in bench.txt.
func (s *Side) Add(sample Sample) {
	sample.Values = slices.DeleteFunc(slices.Clone(sample.Values), func(v float64) bool { return unresolved([]float64{v}) > 0 })
	if len(sample.Values) == 0 {
		return
	}
	if i := s.find(sample.Row, sample.Unit); i >= 0 {
		s.Samples[i].Values = append(s.Samples[i].Values, sample.Values...)
		return
	}
	s.Samples = append(s.Samples, sample)
}

// Values is what row measured in unit; nil where it did not.
func (s Side) Values(row, unit string) []float64 {
	if i := s.find(row, unit); i >= 0 {
		return s.Samples[i].Values
	}
	return nil
}

func (s Side) find(row, unit string) int {
	return slices.IndexFunc(s.Samples, func(x Sample) bool { return x.Row == row && x.Unit == unit })
}

// rowsBeyond are the rows of s that other does not have at all.
func (s Side) rowsBeyond(other Side) []string {
	var beyond []string
	for _, x := range s.Samples {
		there := slices.ContainsFunc(other.Samples, func(o Sample) bool { return o.Row == x.Row })
		if !there && !slices.Contains(beyond, x.Row) {
			beyond = append(beyond, x.Row)
		}
	}
	return beyond
}

// overFloors is s with nothing but its multiples of floors, which take no turns.
func (s Side) overFloors() Side {
	s.Turns = ""
	s.Samples = slices.DeleteFunc(slices.Clone(s.Samples), func(x Sample) bool { return x.Unit != XFloor })
	return s
}

// differences are the ways in which two machines differ. The plan is chosen, not
// found, and does not count.
func differences(old, new Side) []string {
	var keys, differ []string
	for _, p := range append(slices.Clone(old.Hardware), new.Hardware...) {
		if p.Key != record.PlanKey && !slices.Contains(keys, p.Key) {
			keys = append(keys, p.Key)
		}
	}
	for _, k := range keys {
		if a, b := value(old.Hardware, k), value(new.Hardware, k); a != b {
			differ = append(differ, fmt.Sprintf("%s %s against %s", k, orNone(a), orNone(b)))
		}
	}
	return differ
}

func value(params []record.Param, key string) string {
	for _, p := range params {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

func orNone(s string) string {
	if strings.TrimSpace(s) == "" {
		return "none"
	}
	return s
}
