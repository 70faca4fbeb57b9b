package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/mathx"

	"eventstreamcore/reports/record"
)

// Bank is pairs of processes to draw from: of each row in each unit what the one
// measured over the other.
type Bank []BankRow

// BankRow is the pairs of one row in one unit, as logarithms.
type BankRow struct {
	Cell
	Ratios []float64
}

// BankOf is the bank of two sides that took turns.
func BankOf(old, new Side) (bank Bank) {
	for _, s := range old.Samples {
		j := new.find(s.Row, s.Unit)
		if j < 0 || s.Unit == XFloor {
			continue
		}
		if ratios := inTurns(s, new.Samples[j]); len(ratios) > 0 {
			bank = append(bank, BankRow{Cell{s.Row, s.Unit}, ratios})
		}
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

// newRate is hits out of of.
func newRate(hits, of int) record.Rate {
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
	Pairs  int // of processes that each measurement consists of
	Trials int
	Seed   uint64
}

// Run tries the gate Trials times, just as it is used: so many pairs are drawn from
// the bank, with the noise that they show themselves, and what they make suspect is
// held against as many others.
// It counts the alarms about row, "" for any. In a bank of one build against itself
// every alarm is a false one; with a row that is slowed down in it, the share of
// alarms about that is the gate's power. A bank needs twice Pairs pairs of each row.
func (d Drill) Run(bank Bank, row string) (record.Rate, error) {
	least, err := d.check(bank)
	if err != nil {
		return record.Rate{}, err
	}
	r := rand.New(rand.NewPCG(d.Seed, uint64(d.Trials)))
	alarms := 0
	for range d.Trials {
		order := r.Perm(least)
		first := d.hold(bank, order[:d.Pairs])
		suspects := Suspects(first)
		if !about(row, suspects) {
			continue
		}
		second := d.hold(bank.of(suspects), order[d.Pairs:2*d.Pairs])
		if about(row, Suspects(Confirm(first, second))) {
			alarms++
		}
	}
	return newRate(alarms, d.Trials), nil
}

// of is the bank of some rows alone, as they are measured again.
func (b Bank) of(rows []string) Bank {
	return slices.DeleteFunc(slices.Clone(b), func(row BankRow) bool { return !slices.Contains(rows, row.Row) })
}

func about(row string, suspects []string) bool {
	return len(suspects) > 0 && (row == "" || slices.Contains(suspects, row))
}

// check returns how many pairs every row has.
func (d Drill) check(bank Bank) (least int, err error) {
	if len(bank) == 0 || d.Pairs < 1 || d.Trials < 1 {
		return 0, fmt.Errorf("a drill needs rows, pairs and trials: %d rows, %d pairs, %d trials", len(bank), d.Pairs, d.Trials)
	}
	least = math.MaxInt
	for _, row := range bank {
		if least = min(least, len(row.Ratios)); least < 2*d.Pairs {
			return 0, fmt.Errorf("%s in %s has %d pairs and %d are drawn: measure more", row.Row, row.Unit, least, 2*d.Pairs)
		}
	}
	return least, nil
}

// hold holds the gate's rules against the pairs whose numbers are given.
func (d Drill) hold(bank Bank, numbers []int) []record.Finding {
	c := record.Comparison{Alpha: d.Gate.Alpha}
	e := Evidence{Host: record.Fitness{Verdict: record.Fit}, Interleaved: true, Bands: Bands{}}
	for _, row := range bank {
		drawn := make([]float64, len(numbers))
		for i, n := range numbers {
			drawn[i] = row.Ratios[n]
		}
		change := paired(row.Cell, drawn)
		c.Changes = append(c.Changes, change)
		e.Bands[row.Cell] = bandOf(change)
	}
	e.Comparison = d.Gate.family(c)
	return d.Gate.Hold(e)
}
