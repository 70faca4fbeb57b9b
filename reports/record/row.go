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
