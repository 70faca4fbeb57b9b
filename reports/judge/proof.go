package judge

import (
	"fmt"
	"math"
	"slices"

	"eventstreamcore/reports/record"
)

// DrillRuns is how many runs a side each trial of a drill draws: as many as the
// gate measures by default.
const DrillRuns = 10

// What is asked of a gate: no more false alarms than one in alarmsOneIn trials, and
// powerLeast of the slowdowns by powerOf found.
const (
	alarmsOneIn = 300
	powerOf     = 0.10
	powerLeast  = 0.95
)

// Prove tries the gate on banks of one build: still is it twice over, as it is,
// and slowed holds it with every row slowed down by each of shares.
func (d Drill) Prove(still [2]Bank, shares []float64, slowed []Bank) (record.Proof, error) {
	p := record.Proof{Schema: record.Schema, Runs: d.Runs, Trials: d.Trials}
	for _, r := range d.Gate.Rules {
		p.Rules = append(p.Rules, r.Text)
	}
	both := still[0].joined(still[1])
	var err error
	if p.FalseAlarms, err = d.Run(both, both, ""); err != nil {
		return p, err
	}
	for _, share := range shares {
		p.Power = append(p.Power, record.Power{Slowdown: share})
	}
	for _, row := range both {
		if !IsNs(row.Unit) {
			continue
		}
		found, err := d.proveRow(row, both, still[0], shares, slowed)
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
func (d Drill) proveRow(row BankRow, both, base Bank, shares []float64, slowed []Bank) (p record.ProofRow, err error) {
	p = record.ProofRow{Row: row.Row, Unit: row.Unit, Band: Bank{row}.Noise(d.Seed)[row.Cell]}
	if p.Alarms, err = d.Run(both, both, row.Row); err != nil {
		return p, err
	}
	before := median(slices.Clone(base.runs(row.Cell)))
	for i, share := range shares {
		changed := base.With(row.Row, slowed[i])
		power := record.Power{Slowdown: share, Measured: median(slices.Clone(changed.runs(row.Cell)))/before - 1}
		if power.Found, err = d.Run(base, changed, row.Row); err != nil {
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
			p.Power[i].Found, p.Power[i].Measured = NewRate(hits, d.Trials*len(measured)), median(measured)
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

// joined is two banks of the same rows as one.
func (b Bank) joined(other Bank) Bank {
	out := slices.Clone(b)
	for i := range out {
		out[i].Runs = slices.Concat(b[i].Runs, other.runs(b[i].Cell))
	}
	return out
}

func (b Bank) runs(c Cell) []float64 {
	for _, row := range b {
		if row.Cell == c {
			return row.Runs
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
