package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"eventstreamcore/reports/judge"
)

// A scale is a factor and the unit it brings a figure to.
type scale struct {
	factor float64
	unit   string
}

var (
	times  = []scale{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}}
	counts = []scale{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}
)

// scaleOf chooses the scale in which v, of a unit of the benchmark format, reads
// best: times in ns to s, rates by thousands.
func scaleOf(v float64, unit string) scale {
	switch {
	case judge.IsNs(unit):
		return fitting(times, v)
	case judge.IsRate(unit):
		s := fitting(counts, v)
		what := strings.TrimSuffix(unit, "/s")
		if what != "B" { // a bare M/s: the row says what is counted
			what = ""
		}
		s.unit += what + "/s"
		return s
	case strings.HasPrefix(unit, "x-"):
		return scale{1, "x"}
	}
	return scale{1, unit}
}

func fitting(scales []scale, v float64) scale {
	for _, s := range scales {
		if roundsTo(math.Abs(v)/s.factor) >= 1 {
			return s
		}
	}
	return scales[len(scales)-1]
}

// roundsTo is v at the three digits that will be shown, so that 999.7 ns is not
// printed as 1000 ns.
func roundsTo(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64)
	return r
}

// number writes v in s to three significant digits, never as an exponent.
func (s scale) number(v float64) string {
	v /= s.factor
	decimals := 0
	switch a := roundsTo(math.Abs(v)); {
	case a >= 100 || a == 0:
	case a >= 10:
		decimals = 1
	case a >= 1:
		decimals = 2
	default:
		decimals = 3
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// figure writes v with its unit: 5.21 ns, 13.1 M/s, 1.31 x.
func figure(v float64, unit string) string {
	s := scaleOf(v, unit)
	return strings.TrimSpace(s.number(v) + " " + s.unit)
}

// interval writes low and high in the scale of center, without the unit.
func interval(center, low, high float64, unit string) string {
	s := scaleOf(center, unit)
	return s.number(low) + "-" + s.number(high)
}

// ratio writes a multiple: 1.08, 12.4, 340.
func ratio(v float64) string { return scale{1, ""}.number(v) }

// bound writes a target's bound with its sense: <10 ns, >=4.5 M/s.
func bound(v float64, unit string, atLeast bool) string {
	s := scaleOf(v, unit)
	sense := "<"
	if atLeast {
		sense = ">="
	}
	return fmt.Sprintf("%s%s %s", sense, strconv.FormatFloat(v/s.factor, 'g', 4, 64), s.unit)
}

// label names the figure of a unit beside its value: p99 for p99-ns, nothing
// where the value's own unit says all.
func label(unit string) string {
	switch {
	case unit == "ns/op" || strings.HasPrefix(unit, "x-"):
		return ""
	case judge.IsNs(unit):
		return strings.TrimSuffix(unit, "-ns")
	case judge.IsRate(unit):
		return ""
	}
	return ""
}

// printable is s with control characters made visible: text from elsewhere may
// not drive the terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) || string(r) == solid {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
