package workloads

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eventstreamcore/reports/record"
)

// axis is a parameter by which cells differ: a number within bounds, for which
// a cell can be made with any, or a word, of which there are those that cells have.
type axis struct {
	key, unit string
	low, high int // of a number; both 0 for a word
}

var axes = []axis{
	{key: "mode"}, {key: "op"}, {key: "set"}, {key: "frame"}, {key: "plan"}, {key: "load"}, {key: "shape"}, {key: "lane"}, {key: "place"}, {key: "level"},
	{"batch", "items at a time", 1, 1024},
	{"producers", "producers", 1, 4096},
	{"payload", "bytes of payload", 8, 32 << 10},
	{"rate", "events a second", 100, 100_000_000},
	{"connections", "connections", 1, 64},
	{"open", "events not yet answered", 1, 65536},
}

// Settings are the values that the run's parameters are restricted to, by key:
// what --set says. A cell that has not such a parameter at all is left out.
type Settings map[string][]string

// Assign reads key=value,value. Its errors are usage.
func (s Settings) Assign(text string) error {
	key, list, ok := strings.Cut(text, "=")
	if !ok || key == "" || list == "" {
		return fmt.Errorf("%q: write it as key=value or key=value,value", text)
	}
	i := slices.IndexFunc(axes, func(a axis) bool { return a.key == key })
	if i < 0 {
		return fmt.Errorf("%q is no parameter: use %s", key, strings.Join(axisKeys(), ", "))
	}
	for v := range strings.SplitSeq(list, ",") {
		v, err := axes[i].canonical(v)
		if err != nil {
			return err
		}
		s[key] = append(s[key], v)
	}
	return nil
}

func axisKeys() (keys []string) {
	for _, a := range axes {
		keys = append(keys, a.key)
	}
	return keys
}

// canonical is a value as the names of cells have it.
func (a axis) canonical(v string) (string, error) {
	if a.high == 0 {
		return v, nil
	}
	n, err := parseAmount(v)
	if err != nil || n < a.low || n > a.high {
		return "", fmt.Errorf("%s=%s: use %s to %s %s", a.key, v, amount(a.low), amount(a.high), a.unit)
	}
	return amount(n), nil
}

// amount writes whole thousands and millions short: 100k, 2M.
func amount(n int) string {
	switch {
	case n != 0 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "M"
	case n != 0 && n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

func parseAmount(s string) (int, error) {
	scale := 1
	if digits, ok := strings.CutSuffix(s, "M"); ok {
		s, scale = digits, 1_000_000
	} else if digits, ok := strings.CutSuffix(s, "k"); ok {
		s, scale = digits, 1000
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n) * scale, err
}

// numbers are the values of a parameter to make cells for: those set, or else
// the usual ones.
func (s Settings) numbers(key string, usual ...int) []int {
	set, ok := s[key]
	if !ok {
		return usual
	}
	var list []int
	for _, v := range set {
		n, err := parseAmount(v)
		if err != nil {
			panic(fmt.Sprintf("workloads: %s=%s was not read by Assign", key, v))
		}
		list = append(list, n)
	}
	return list
}

// with is the cell at one more parameter. The usual value is left out of the
// name: rows keep theirs when a parameter is added.
func (c Cell) with(key, value, usual string) Cell {
	p := record.Param{Key: key, Value: value}
	if value == usual {
		c.usual = append(slices.Clone(c.usual), p)
	} else {
		c.Params = append(slices.Clone(c.Params), p)
	}
	return c
}

// at is the cell's value of a parameter, if it has that.
func (c Cell) at(key string) (string, bool) {
	for _, p := range slices.Concat(c.Params, c.usual) {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}

// admits reports whether the cell has all that is set.
func (s Settings) admits(c Cell) bool {
	for key, values := range s {
		if v, ok := c.at(key); !ok || !slices.Contains(values, v) {
			return false
		}
	}
	return true
}

// known wants every value that is set to be one that some cell has.
func (s Settings) known(cells []Cell) error {
	for key, values := range s {
		var have []string
		for _, c := range cells {
			if v, ok := c.at(key); ok && !slices.Contains(have, v) {
				have = append(have, v)
			}
		}
		slices.Sort(have)
		for _, v := range values {
			if !slices.Contains(have, v) {
				return fmt.Errorf("%s=%s: no cell has it here: use %s", key, v, strings.Join(have, ", "))
			}
		}
	}
	return nil
}
