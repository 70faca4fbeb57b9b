package judge

import (
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/reports/record"
)

// Evidence is what a gate decides on.
type Evidence struct {
	Comparison  record.Comparison
	New         Side
	Bands       Bands
	Host        record.Fitness
	Interleaved bool // old and new took turns in the same minutes
}

// Evidence compares new with old for the gate, beside the noise that both show. An
// error means that they cannot be compared at all; rows that went missing are part
// of the evidence. host is that of new; seed is of the noise's draws.
func (g Gate) Evidence(old, new Side, host record.Fitness, seed uint64) (Evidence, error) {
	c, err := Compare(old, new, g.Alpha)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{Comparison: g.family(c), New: new, Bands: noise(old, new, seed), Host: host, Interleaved: Interleaved(old, new)}, nil
}

// family is c with nothing but the changes that a relative rule is about: the more tests
// there are, the larger must an effect be, and what is not gated is no test.
func (g Gate) family(c record.Comparison) record.Comparison {
	c.Changes = slices.DeleteFunc(slices.Clone(c.Changes), func(x record.Change) bool {
		return !slices.ContainsFunc(g.Rules, func(r Rule) bool { return r.Kind == Relative && r.covers(x.Row, x.Unit) })
	})
	direct(c.Changes, g.Alpha)
	return c
}

// Hold holds every rule against the evidence. What it finds to FAIL by a
// relative rule is a suspicion until a second measurement says so too: Confirm.
func (g Gate) Hold(e Evidence) []record.Finding {
	var findings []record.Finding
	for _, rule := range g.Rules {
		if rule.Kind == Relative {
			findings = append(findings, rule.relative(e)...)
		} else {
			findings = append(findings, rule.absolute(e)...)
		}
	}
	return findings
}

// relative holds a rule against the changes. A row fails only if its change for
// the worse is significant after Holm and exceeds both the threshold and what
// the host does by itself.
func (r Rule) relative(e Evidence) []record.Finding {
	var findings []record.Finding
	for _, c := range e.Comparison.Changes {
		if !r.covers(c.Row, c.Unit) {
			continue
		}
		band := e.Bands[Cell{c.Row, c.Unit}]
		f := record.Finding{Rule: r.Text, Row: c.Row, Unit: c.Unit, Verdict: record.Pass, Relative: true, Value: worsening(c), Band: band, Allowed: max(r.Bound, band), PHolm: c.PHolm}
		f.Low, f.High = worsened(c)
		switch {
		case blind(c, len(e.Comparison.Changes), e.Comparison.Alpha):
			f.Verdict, f.Reasons = record.NotMeasured, []string{tooFew(c) + " cannot show any difference"}
		case c.Direction != record.Worse || f.Value <= f.Allowed:
		case !e.Interleaved && e.Host.Verdict != record.Fit:
			f.Verdict, f.Reasons = record.Inconclusive, []string{"the two sides were not interleaved, and " + hostReason(e.Host)}
		default:
			f.Verdict = record.Fail
		}
		findings = append(findings, f)
	}
	return findings
}

// worsened is the interval of worsening.
func worsened(c record.Change) (low, high float64) {
	a, b := worsening(record.Change{Unit: c.Unit, Ratio: c.RatioLow}), worsening(record.Change{Unit: c.Unit, Ratio: c.RatioHi})
	return min(a, b), max(a, b)
}

// absolute holds a rule against the new side, by the rule of verdicts.
func (r Rule) absolute(e Evidence) []record.Finding {
	var findings []record.Finding
	target := Target{ID: r.Text, Unit: r.Unit, Bound: r.Bound, AtLeast: r.Kind == AtLeast}
	for _, s := range e.New.Samples {
		if !r.covers(s.Row, s.Unit) {
			continue
		}
		j := Judge(target, s.Values, nil, e.Host)
		findings = append(findings, record.Finding{Rule: r.Text, Row: s.Row, Unit: s.Unit, Verdict: j.Verdict,
			Value: j.Center, Low: j.Low, High: j.High, Allowed: r.Bound, Reasons: j.Reasons})
	}
	return findings
}

// Suspects are the rows that a second measurement must confirm.
func Suspects(findings []record.Finding) []string {
	var rows []string
	for _, f := range findings {
		if f.Verdict == record.Fail && !slices.Contains(rows, f.Row) {
			rows = append(rows, f.Row)
		}
	}
	return rows
}

// Unconfirmed is findings of which no second measurement can be had: what fails
// by a relative rule remains a suspicion.
func Unconfirmed(findings []record.Finding) []record.Finding {
	out := slices.Clone(findings)
	for i, f := range out {
		if f.Relative && f.Verdict == record.Fail {
			out[i].Verdict, out[i].Reasons = record.Inconclusive, append(slices.Clone(f.Reasons), "suspected, and no second measurement confirms it")
		}
	}
	return out
}

// Confirm lets a FAIL of the first measurement stand only where the second found
// it as well. A second one that could conclude nothing confirms nothing and clears
// nothing.
func Confirm(first, second []record.Finding) []record.Finding {
	out := slices.Clone(first)
	for i, f := range out {
		if f.Verdict != record.Fail {
			continue
		}
		again := slices.IndexFunc(second, func(s record.Finding) bool { return s.Rule == f.Rule && s.Row == f.Row && s.Unit == f.Unit })
		switch {
		case again < 0:
			out[i].Verdict, out[i].Reasons = record.NotMeasured, append(slices.Clone(f.Reasons), "the second measurement does not have it")
		case second[again].Verdict == record.Inconclusive || second[again].Verdict == record.NotMeasured:
			out[i].Verdict, out[i].Reasons = second[again].Verdict, append(slices.Clone(f.Reasons), second[again].Reasons...)
		case second[again].Verdict != record.Fail:
			out[i].Verdict = record.Pass
			out[i].Reasons = append(slices.Clone(f.Reasons), fmt.Sprintf("not confirmed: %.4g at first, %.4g again", f.Value, second[again].Value))
		default:
			out[i].Reasons = append(slices.Clone(f.Reasons), fmt.Sprintf("confirmed: %.4g at first, %.4g again", f.Value, second[again].Value))
		}
	}
	return out
}

// Outcome is what findings come to. On an UNFIT host nothing is concluded; a
// confirmed FAIL is one; a row that went missing, a rule that covers nothing or
// a row that could not be judged leaves the gate unmeasured, never passed.
func (g Gate) Outcome(e Evidence, findings []record.Finding) record.Gated {
	out := record.Gated{Schema: record.Schema, Verdict: record.Pass, Findings: findings}
	count := map[string]int{}
	for _, f := range findings {
		count[f.Verdict]++
	}
	lacking := g.lacking(e, findings)
	switch {
	case e.Host.Verdict == record.Unfit:
		out.Verdict, out.Reasons = record.Unfit, []string{hostReason(e.Host)}
	case count[record.Fail] > 0:
		out.Verdict, out.Reasons = record.Fail, lacking
	case len(lacking) > 0 || count[record.NotMeasured] > 0:
		out.Verdict, out.Reasons = record.NotMeasured, lacking
	case count[record.Inconclusive] > 0:
		out.Verdict = record.Inconclusive
	}
	return out
}

// lacking is what should have been gated and was not there.
func (g Gate) lacking(e Evidence, findings []record.Finding) []string {
	var lacking []string
	if len(e.Comparison.Missing) > 0 {
		lacking = append(lacking, "the baseline has rows that the new results do not: "+strings.Join(e.Comparison.Missing, ", "))
	}
	for _, r := range g.Rules {
		if !slices.ContainsFunc(findings, func(f record.Finding) bool { return f.Rule == r.Text && r.covers(f.Row, f.Unit) }) {
			lacking = append(lacking, fmt.Sprintf("rule %q covers no row", r.Text))
		}
	}
	return lacking
}
