package judge

import (
	"math"
	"math/rand/v2"
	"slices"

	"eventstreamcore/reports/record"
)

// Bands are the host's own noise: by how much, as a share, a row moves when
// nothing has changed. A row without one has none.
type Bands map[Cell]float64

// Cell is a row in a unit.
type Cell struct{ Row, Unit string }

// bandDraws is how often a row is set against itself for its noise band, and
// bandShare how many of these must lie within it.
const (
	bandDraws = 400
	bandShare = 0.95
)

// noise is what the two sides show of it themselves: of processes that took turns
// by how their ratios scatter, of others the larger of what each side does against
// itself.
func noise(old, new Side, seed uint64) Bands {
	bands := Bands{}
	r := rand.New(rand.NewPCG(seed, bandDraws))
	for _, s := range old.Samples {
		cell := Cell{s.Row, s.Unit}
		j := new.find(s.Row, s.Unit)
		if j < 0 {
			continue
		}
		if c, ok := duet(s, new.Samples[j]); ok && Interleaved(old, new) && c.Pairs > 1 {
			bands[cell] = bandOf(c)
		} else if min(len(s.Values), len(new.Samples[j].Values)) > 1 {
			bands[cell] = max(halvedNoise(r, s.Values), halvedNoise(r, new.Samples[j].Values))
		}
	}
	return bands
}

// halvedNoise halves values at random, again and again, and sets the halves against each
// other as old and new: 95 of 100 of their medians lie within the band. Halves
// scatter more than the whole by the square root of two, which is taken out again.
func halvedNoise(r *rand.Rand, values []float64) float64 {
	half, runs := len(values)/2, slices.Clone(values)
	return band(func() float64 {
		r.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		return math.Log(median(runs[:half])/median(runs[half:2*half])) / math.Sqrt2
	})
}

// bandOf is by how much what pairs come to moves when nothing changes: half of the
// interval that they leave, which holds in 95 of 100.
func bandOf(c record.Change) float64 { return math.Sqrt(c.RatioHi/c.RatioLow) - 1 }

// band is what 95 of 100 draws of a logarithm lie within, as a share.
func band(draw func() float64) float64 {
	apart := make([]float64, bandDraws)
	for i := range apart {
		apart[i] = math.Abs(draw())
	}
	slices.Sort(apart)
	return math.Expm1(apart[int(bandShare*bandDraws)])
}
