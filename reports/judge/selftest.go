package judge

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/mathx"

	"eventstreamcore/reports/record"
)

// Bank is runs of one build to draw sides from: of each row in each unit a value
// a run. Where they were gathered from fresh processes, that is one of each.
type Bank []BankRow

// BankRow is the runs of one row in one unit.
type BankRow struct {
	Cell
	Runs []float64
}

// BankOf is the bank of a run: of what one process measured every trial, for that
// is all that can be known from it of a host's noise.
func BankOf(run record.Run) Bank { return bankOf(SideOf("", run)) }

func bankOf(side Side) (bank Bank) {
	for _, s := range side.Samples {
		bank = append(bank, BankRow{Cell{s.Row, s.Unit}, s.Values})
	}
	return bank
}

// With is the bank with the rows of that name taken from another one.
func (b Bank) With(name string, other Bank) Bank {
	out := slices.Clone(b)
	for i, row := range out {
		if row.Row != name {
			continue
		}
		for _, o := range other {
			if o.Cell == row.Cell {
				out[i] = o
			}
		}
	}
	return out
}

// NewRate is hits out of of.
func NewRate(hits, of int) record.Rate {
	r := record.Rate{Hits: hits, Of: of, High: 1}
	if hits > 0 { // P(X >= hits) rises with p
		r.Low = solve(func(p float64) float64 { return mathx.BetaInc(p, float64(hits), float64(of-hits+1)) }, (1-Confidence)/2)
	}
	if hits < of {
		r.High = solve(func(p float64) float64 { return mathx.BetaInc(p, float64(hits+1), float64(of-hits)) }, (1+Confidence)/2)
	}
	return r
}

// solve finds where f, rising from 0 at 0 to 1 at 1, is want.
func solve(f func(float64) float64, want float64) float64 {
	low, high := 0.0, 1.0
	for range 60 { // more halvings than a float64 has bits of fraction
		if middle := (low + high) / 2; f(middle) < want {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// Drill is how a gate is tried on banks.
type Drill struct {
	Gate   Gate
	Runs   int // a side
	Trials int
	Seed   uint64
}

// Run tries the gate Trials times, just as it is used: old drawn from base, new
// from changed, each other runs, with the noise that the two sides show
// themselves, and a suspicion confirmed by a second draw. It counts the alarms
// about row, "" for any. With changed the same as base every alarm is a false
// one; with a row slowed down in it, the share of alarms about that is the gate's
// power. Both banks need twice Runs runs of the same rows.
func (d Drill) Run(base, changed Bank, row string) (record.Rate, error) {
	if err := d.check(base, changed); err != nil {
		return record.Rate{}, err
	}
	r := rand.New(rand.NewPCG(d.Seed, uint64(d.Trials)))
	alarms := 0
	for range d.Trials {
		first := d.hold(r, base, changed)
		if !about(row, Suspects(first)) {
			continue
		}
		if confirmed := Confirm(first, d.hold(r, base, changed)); about(row, Suspects(confirmed)) {
			alarms++
		}
	}
	return NewRate(alarms, d.Trials), nil
}

func about(row string, suspects []string) bool {
	return len(suspects) > 0 && (row == "" || slices.Contains(suspects, row))
}

func (d Drill) check(base, changed Bank) error {
	if len(base) == 0 || len(base) != len(changed) || d.Runs < 1 || d.Trials < 1 {
		return fmt.Errorf("a drill needs rows, the same in both banks, and runs and trials: %d and %d rows, %d runs, %d trials", len(base), len(changed), d.Runs, d.Trials)
	}
	for i := range base {
		if base[i].Cell != changed[i].Cell {
			return fmt.Errorf("banks of different rows: %v and %v", base[i].Cell, changed[i].Cell)
		}
		if n := min(len(base[i].Runs), len(changed[i].Runs)); n < 2*d.Runs {
			return fmt.Errorf("%s in %s has %d runs and %d are drawn: measure more", base[i].Row, base[i].Unit, n, 2*d.Runs)
		}
	}
	return nil
}

// hold draws both sides and holds the gate's rules against them. It leaves the
// intervals of the ratios out, which no rule looks at, and the noise of rows
// that are not suspected without it: they are most of the work.
func (d Drill) hold(r *rand.Rand, base, changed Bank) []record.Finding {
	least := len(base[0].Runs)
	for i := range base {
		least = min(least, len(base[i].Runs), len(changed[i].Runs))
	}
	order := r.Perm(least)
	old, new := base.drawn(order[:d.Runs]), changed.drawn(order[d.Runs:2*d.Runs])
	c := record.Comparison{Alpha: d.Gate.Alpha}
	for i := range old {
		c.Changes = append(c.Changes, change(old[i].sample(), new[i].sample()))
	}
	e := Evidence{Comparison: d.Gate.family(c), Host: record.Fitness{Verdict: record.Fit}, Interleaved: true}
	suspects := Suspects(d.Gate.Hold(e))
	if len(suspects) == 0 {
		return d.Gate.Hold(e)
	}
	e.Bands = Bands{}
	for i := range old {
		if slices.Contains(suspects, old[i].Row) {
			maps.Copy(e.Bands, noise(old[i:i+1], new[i:i+1], d.Seed))
		}
	}
	return d.Gate.Hold(e)
}

// drawn is the runs whose numbers are given.
func (b Bank) drawn(numbers []int) Bank {
	out := make(Bank, len(b))
	for i, row := range b {
		out[i].Cell = row.Cell
		for _, n := range numbers {
			out[i].Runs = append(out[i].Runs, row.Runs[n])
		}
	}
	return out
}

func (row BankRow) sample() Sample {
	return Sample{Row: row.Row, Unit: row.Unit, Values: row.Runs}
}

// bandDraws is how often a row is set against itself for its noise band, and
// bandShare how many of these must lie within it.
const (
	bandDraws = 400
	bandShare = 0.95
)

// noise is the host's own, by what two sides show of it: the larger of what each
// does against itself.
func noise(old, new Bank, seed uint64) Bands {
	bands := old.Noise(seed)
	for cell, band := range new.Noise(seed) {
		bands[cell] = max(bands[cell], band)
	}
	return bands
}

// Noise is the bands of a bank. Each row is halved at random, again and again,
// and its halves set against each other as old and new: 95 of 100 of their medians
// lie within the band. Halves scatter more than the whole by the square root of
// two, which is taken out again. A row of one run has no band.
func (b Bank) Noise(seed uint64) Bands {
	r := rand.New(rand.NewPCG(seed, bandDraws))
	bands := Bands{}
	for _, row := range b {
		half := len(row.Runs) / 2
		if half == 0 {
			continue
		}
		apart := make([]float64, 0, bandDraws)
		runs := slices.Clone(row.Runs)
		for range bandDraws {
			r.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
			apart = append(apart, math.Abs(math.Log(median(runs[:half])/median(runs[half:2*half]))))
		}
		slices.Sort(apart)
		bands[row.Cell] = math.Expm1(apart[int(bandShare*bandDraws)] / math.Sqrt2)
	}
	return bands
}
