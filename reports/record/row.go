package record

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/utils/cpuset"
)

// Name is workload/key=value/.., in the order of Params. It tells the rows of a
// run apart.
func (r Row) Name() string {
	var b strings.Builder
	b.WriteString(r.Workload)
	for _, p := range r.Params {
		fmt.Fprintf(&b, "/%s=%s", p.Key, p.Value)
	}
	return b.String()
}

// Benchmark is the row's name in the benchmark format, without the leading
// "Benchmark": a capital first, no spaces, and always the number of threads at
// the end. Two runs are matched by it.
func (r Row) Benchmark() string {
	name := Token(r.Name())
	first, size := utf8.DecodeRuneInString(name)
	return fmt.Sprintf("%c%s-%d", unicode.ToUpper(first), name[size:], max(r.Procs, 1))
}

// Token is s with what would end a word of the benchmark format made an
// underscore.
func Token(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
}

// Hardware is what identifies the machine, its topology and the plan: the only
// configuration that bench.txt holds. A key without a value is left out.
func (r Run) Hardware() []Param {
	var placed []string
	for _, p := range r.Plan {
		at := fmt.Sprintf("%s@%d", Token(p.Role), p.CPU)
		if p.Role != RuntimeRole && !slices.Contains(placed, at) {
			placed = append(placed, at)
		}
	}
	var all []Param
	for _, p := range []Param{
		{"goos", r.Host.OS},
		{"goarch", r.Host.Arch},
		{"cpu", r.Host.CPU},
		{"cpus", cpuset.New(r.Host.Allowed...).String()},
		{"nodes", fmt.Sprint(r.Host.Nodes)},
		{"hypervisor", r.Host.Virtual},
		{PlanKey, strings.Join(placed, ",")},
	} {
		if p.Value = strings.Join(strings.Fields(p.Value), " "); p.Value != "" {
			all = append(all, p)
		}
	}
	return all
}

// PlanKey is the one key of Hardware that is chosen rather than found.
const PlanKey = "plan"

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

// Counted is the trials as statistics count them: the valid ones, each by
// itself where one process measured them; else one for each process, in every
// unit the median of its trials, for the run is the unit. A unit that one of them
// lacks, that process lacks.
func (r Row) Counted() []Trial {
	var counted []Trial
	var own []Trial
	valid := r.Valid()
	for i, t := range valid {
		if t.Process == 0 {
			counted = append(counted, t)
			continue
		}
		own = append(own, t)
		if i+1 == len(valid) || valid[i+1].Process != t.Process {
			counted = append(counted, middle(own))
			own = nil
		}
	}
	return counted
}

// middle is the trials of one process as one.
func middle(own []Trial) Trial {
	m := Trial{Process: own[0].Process}
	for _, t := range own {
		m.N += t.N
	}
	for _, v := range own[0].Values {
		var all []float64
		for _, t := range own {
			for _, w := range t.Values {
				if w.Unit == v.Unit {
					all = append(all, w.Value)
				}
			}
		}
		if len(all) == len(own) {
			m.Values = append(m.Values, Value{Unit: v.Unit, Value: median(all)})
		}
	}
	return m
}

// median is the middle of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// Units is every unit that a counted trial has, in order of first appearance.
func (r Row) Units() []string {
	var units []string
	for _, t := range r.Counted() {
		for _, v := range t.Values {
			if !slices.Contains(units, v.Unit) {
				units = append(units, v.Unit)
			}
		}
	}
	return units
}

// Values is what the counted trials measured in unit, in their order; a trial
// without that unit is left out.
func (r Row) Values(unit string) []float64 {
	var values []float64
	for _, t := range r.Counted() {
		for _, v := range t.Values {
			if v.Unit == unit {
				values = append(values, v.Value)
			}
		}
	}
	return values
}
