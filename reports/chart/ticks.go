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

// scaled labels a linear axis by thousands: 5 M.
type scaled struct{}

func (scaled) Ticks(low, high float64) []plot.Tick { return relabelled(low, high, SI) }

// lengths labels a linear axis of ns.
type lengths struct{}

func (lengths) Ticks(low, high float64) []plot.Tick { return relabelled(low, high, Duration) }

// figures labels a linear axis by a function of the caller's.
type figures func(float64) string

func (f figures) Ticks(low, high float64) []plot.Tick { return relabelled(low, high, f) }

func relabelled(low, high float64, label func(float64) string) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = label(ticks[i].Value)
		}
	}
	return ticks
}

// SI writes v by thousands: 13.1 M.
func SI(v float64) string {
	for _, u := range []struct {
		factor float64
		name   string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= u.factor*(1-1e-9) {
			return strconv.FormatFloat(v/u.factor, 'g', 3, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// sizeTicks labels a logarithmic axis of bytes at powers of four.
type sizeTicks struct{}

func (sizeTicks) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Ceil(math.Log2(low) - 1e-9); e <= math.Log2(high)+1e-9; e++ {
		tick := plot.Tick{Value: math.Exp2(e)}
		if math.Mod(e, 4) == 0 {
			tick.Label = Bytes(int64(tick.Value))
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// Bytes writes n by powers of 1024: 64 KiB.
func Bytes(n int64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n >= 1<<u.shift {
			return strconv.FormatFloat(float64(n)/float64(int64(1)<<u.shift), 'g', 3, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

// ratioTicks labels a logarithmic axis of ratios about 1.
type ratioTicks struct{}

func (ratioTicks) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for _, v := range ratioSteps(low, high) {
		if v >= low && v <= high {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', -1, 64)})
		}
	}
	return ticks
}

// ratioSteps is where labels may stand, the finer the narrower the axis.
func ratioSteps(low, high float64) (steps []float64) {
	switch wide := high / low; {
	case wide < 1.2:
		return []float64{0.9, 0.95, 0.98, 0.99, 1, 1.01, 1.02, 1.05, 1.1}
	case wide < 3:
		return []float64{0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 2}
	case wide < 200:
		for e := -3; e <= 3; e++ {
			steps = append(steps, math.Pow10(e), 2*math.Pow10(e), 5*math.Pow10(e))
		}
		return steps
	}
	for e := -12; e <= 12; e++ {
		steps = append(steps, math.Pow10(e))
	}
	return steps
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
