package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/mathx"

	"eventstreamcore/reports/record"
)

// Bank is trials of one build, kept in the blocks in which they were taken: one
// block is one fresh process. Rows all have the same number of blocks, and block
// i of two banks that were measured in turns lies in the same minutes.
type Bank []BankRow

// BankRow is the blocks of one row in one unit.
type BankRow struct {
	Cell
	Blocks [][]float64
}

// BankOf takes each valid trial of a run for a block: what can be known of a
// host's noise from one run of a process.
func BankOf(run record.Run) Bank {
	var bank Bank
	for _, s := range SideOf("", run).Samples {
		row := BankRow{Cell: Cell{s.Row, s.Unit}}
		for _, v := range s.Values {
			row.Blocks = append(row.Blocks, []float64{v})
		}
		bank = append(bank, row)
	}
	return bank
}

// Rate is how often something happened, with its exact 95 % interval (Clopper
// and Pearson, 1934).
type Rate struct {
	Hits, Of  int
	Low, High float64
}

// NewRate is hits out of of.
func NewRate(hits, of int) Rate {
	r := Rate{Hits: hits, Of: of, High: 1}
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
	Bands  Bands
	Blocks int // a side
	Trials int
	Seed   uint64
}

// Run tries the gate Trials times: old from base, new from changed, each from
// blocks of its own drawn at random, a suspicion confirmed by a second draw. With
// changed the same as base every alarm is a false one; with a slowdown in it,
// the share of alarms is the gate's power. Both need twice Blocks blocks of the
// same rows.
func (d Drill) Run(base, changed Bank) (Rate, error) {
	if err := d.check(base, changed); err != nil {
		return Rate{}, err
	}
	r := rand.New(rand.NewPCG(d.Seed, uint64(d.Trials)))
	alarms := 0
	for range d.Trials {
		first := d.hold(r, base, changed)
		if len(Suspects(first)) == 0 {
			continue
		}
		if confirmed := Confirm(first, d.hold(r, base, changed)); len(Suspects(confirmed)) > 0 {
			alarms++
		}
	}
	return NewRate(alarms, d.Trials), nil
}

func (d Drill) check(base, changed Bank) error {
	if len(base) == 0 || len(base) != len(changed) || d.Blocks < 1 || d.Trials < 1 {
		return fmt.Errorf("a drill needs rows, the same in both banks, and blocks and trials: %d and %d rows, %d blocks, %d trials", len(base), len(changed), d.Blocks, d.Trials)
	}
	for i := range base {
		if base[i].Cell != changed[i].Cell {
			return fmt.Errorf("banks of different rows: %v and %v", base[i].Cell, changed[i].Cell)
		}
		if n := min(len(base[i].Blocks), len(changed[i].Blocks)); n < 2*d.Blocks {
			return fmt.Errorf("%s in %s has %d blocks and %d are drawn: measure more", base[i].Row, base[i].Unit, n, 2*d.Blocks)
		}
	}
	return nil
}

// hold draws both sides and holds the gate's rules against them. It leaves the
// intervals of the ratios out: no rule looks at them, and they are most of the
// work.
func (d Drill) hold(r *rand.Rand, base, changed Bank) []record.Finding {
	order := r.Perm(len(base[0].Blocks))
	c := record.Comparison{Alpha: d.Gate.Alpha}
	for i := range base {
		c.Changes = append(c.Changes, change(base[i].sample(order[:d.Blocks]), changed[i].sample(order[d.Blocks:2*d.Blocks])))
	}
	direct(c.Changes, d.Gate.Alpha)
	return d.Gate.Hold(Evidence{Comparison: c, Bands: d.Bands, Host: record.Fitness{Verdict: record.Fit}, Interleaved: true})
}

// sample is the blocks whose numbers are given.
func (row BankRow) sample(blocks []int) Sample {
	return Sample{Row: row.Row, Unit: row.Unit, Values: row.pooled(blocks)}
}

// bandDraws is how often a row is set against itself for its noise band, and
// bandShare how many of these must lie within it.
const (
	bandDraws = 400
	bandShare = 0.95
)

// Noise is the bands of a bank: for each row, by how much the medians of two
// sides of so many blocks, drawn from the same, differ in 95 of 100 draws. A row of fewer than two blocks
// has none; one of fewer than twice so many is halved.
func (b Bank) Noise(blocks int, seed uint64) Bands {
	r := rand.New(rand.NewPCG(seed, bandDraws))
	bands := Bands{}
	for _, row := range b {
		blocks := min(blocks, len(row.Blocks)/2)
		if blocks == 0 {
			continue
		}
		apart := make([]float64, 0, bandDraws)
		for range bandDraws {
			order := r.Perm(len(row.Blocks))
			one, two := row.pooled(order[:blocks]), row.pooled(order[blocks:2*blocks])
			apart = append(apart, math.Abs(math.Log(median(one)/median(two))))
		}
		slices.Sort(apart)
		bands[row.Cell] = math.Expm1(apart[int(bandShare*bandDraws)])
	}
	return bands
}

func (row BankRow) pooled(blocks []int) []float64 {
	var all []float64
	for _, i := range blocks {
		all = append(all, row.Blocks[i]...)
	}
	return all
}
