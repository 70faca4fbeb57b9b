package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// nines is where a percentile lies on an axis in nines: 0 for 0 %, 1 for 90 %, 2
// for 99 %.
func nines(percent float64) float64 { return -math.Log10(1 - percent/100) }

// nineTicks labels an axis in nines: 0, 50, 75, 90, 99, 99.9 %.
type nineTicks struct{}

func (nineTicks) Ticks(_, high float64) []plot.Tick {
	ticks := []plot.Tick{{Value: 0, Label: "0"}}
	for _, p := range []float64{50, 75} {
		ticks = append(ticks, plot.Tick{Value: nines(p), Label: strconv.FormatFloat(p, 'g', -1, 64)})
	}
	for n := 1; float64(n) <= high+1e-9; n++ {
		ticks = append(ticks, plot.Tick{Value: float64(n), Label: nineLabel(n)})
	}
	return ticks
}

// nineLabel is n nines as a percentage: 90, 99, 99.9.
func nineLabel(n int) string {
	if n <= 2 {
		return strings.Repeat("9", n) + strings.Repeat("0", 2-n)
	}
	return "99." + strings.Repeat("9", n-2)
}

// durationTicks labels a logarithmic axis of ns in steps of 1, 2 and 5, or of
// powers of ten alone where those would crowd.
type durationTicks struct{}

const decadesCrowded = 4 // beyond this many, only powers of ten are labelled

func (durationTicks) Ticks(low, high float64) []plot.Tick {
	first, last := int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	var ticks []plot.Tick
	for e := first; e <= last; e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow10(e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			tick := plot.Tick{Value: v}
			if m == 1 || last-first <= decadesCrowded {
				tick.Label = Duration(v)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// Duration writes ns in the largest unit that leaves it at least 1.
func Duration(ns float64) string {
	for _, u := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}} {
		if ns >= u.ns*(1-1e-9) {
			return fmt.Sprintf("%s %s", strconv.FormatFloat(ns/u.ns, 'g', 4, 64), u.name)
		}
	}
	return strconv.FormatFloat(ns, 'g', 3, 64) + " ns"
}

// roundOut widens low and high to the next steps of 1, 2 and 5.
func roundOut(low, high float64) (float64, float64) {
	steps := []float64{1, 2, 5, 10}
	base := math.Pow10(int(math.Floor(math.Log10(low))))
	from := base
	for _, m := range steps {
		if m*base <= low*(1+1e-9) {
			from = m * base
		}
	}
	base = math.Pow10(int(math.Floor(math.Log10(high))))
	to := base
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i]*base >= high*(1-1e-9) {
			to = steps[i] * base
		}
	}
	if to <= from {
		to = from * 2
	}
	return from, to
}
