package judge

import (
	"fmt"
	"math"
	"slices"

	"eventstreamcore/reports/record"
)

// What is asked of a gate: no more false alarms than one in alarmsOneIn trials, and
// powerLeast of the slowdowns by powerOf found.
const (
	alarmsOneIn = 300
	powerOf     = 0.10
	powerLeast  = 0.95
)

// Prove tries the gate on banks of one build: still sets it against itself as it
// is, slowed against itself with every row slowed down by each of shares.
func (d Drill) Prove(still Bank, shares []float64, slowed []Bank) (record.Proof, error) {
	p := record.Proof{Schema: record.Schema, Pairs: d.Pairs, Trials: d.Trials}
	for _, r := range d.Gate.Rules {
		p.Rules = append(p.Rules, r.Text)
	}
	var err error
	if p.FalseAlarms, err = d.Run(still, ""); err != nil {
		return p, err
	}
	for _, share := range shares {
		p.Power = append(p.Power, record.Power{Slowdown: share})
	}
	for _, row := range still {
		if !IsNs(row.Unit) {
			continue
		}
		found, err := d.proveRow(row, still, shares, slowed)
		if err != nil {
			return p, err
		}
		p.Rows = append(p.Rows, found)
	}
	d.sum(&p)
	p.Missed = missedBy(p)
	return p, nil
}

// proveRow tries the gate on one row: how often it alarms of itself, and how often it is
// found to be slowed down where no other row is.
func (d Drill) proveRow(row BankRow, still Bank, shares []float64, slowed []Bank) (p record.ProofRow, err error) {
	fewer := math.Sqrt(float64(len(row.Ratios)) / float64(d.Pairs)) // pairs leave a wider interval
	p = record.ProofRow{Row: row.Row, Unit: row.Unit, Band: fewer * bandOf(paired(row.Cell, row.Ratios))}
	if p.Alarms, err = d.Run(still, row.Row); err != nil {
		return p, err
	}
	for i, share := range shares {
		bank := still.With(row.Row, slowed[i])
		power := record.Power{Slowdown: share, Measured: math.Expm1(median(slices.Clone(bank.ratios(row.Cell))))}
		if power.Found, err = d.Run(bank, row.Row); err != nil {
			return p, err
		}
		p.Power = append(p.Power, power)
	}
	return p, nil
}

// sum fills in what holds over all rows.
func (d Drill) sum(p *record.Proof) {
	for i := range p.Power {
		hits, measured := 0, []float64(nil)
		for _, row := range p.Rows {
			hits += row.Power[i].Found.Hits
			measured = append(measured, row.Power[i].Measured)
		}
		if len(measured) > 0 {
			p.Power[i].Found, p.Power[i].Measured = newRate(hits, d.Trials*len(measured)), median(measured)
		}
	}
}

// missedBy is what was asked of the gate and not reached.
func missedBy(p record.Proof) (missed []string) {
	if p.FalseAlarms.Hits*alarmsOneIn > p.FalseAlarms.Of {
		missed = append(missed, fmt.Sprintf("%d false alarms in %d trials, over 1 in %d", p.FalseAlarms.Hits, p.FalseAlarms.Of, alarmsOneIn))
	}
	for i, power := range p.Power {
		if power.Slowdown != powerOf {
			continue
		}
		if power.Found.Share() < powerLeast {
			missed = append(missed, fmt.Sprintf("%.1f %% of the slowdowns by %v %% found, under %v %%", 100*power.Found.Share(), 100*powerOf, 100*powerLeast))
		}
		for _, row := range p.Rows {
			if share := row.Power[i].Found.Share(); share < powerLeast {
				missed = append(missed, fmt.Sprintf("%s: %.1f %% of the slowdowns by %v %% found (its own noise is %.1f %%)", row.Row, 100*share, 100*powerOf, 100*row.Band))
			}
		}
	}
	return missed
}

func (b Bank) ratios(c Cell) []float64 {
	for _, row := range b {
		if row.Cell == c {
			return row.Ratios
		}
	}
	return nil
}

// Chance is how many of n comparisons have something to say by chance alone, if
// each has with probability p: no more than that in 95 of 100.
func Chance(n int, p float64) (most int) {
	below := 0.0
	for k := range n + 1 {
		if below += choose(n, k) * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k)); below >= Confidence {
			return k
		}
	}
	return n
}
