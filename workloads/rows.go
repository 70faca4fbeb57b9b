package workloads

import (
	"fmt"
	"slices"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// rows makes the cell's row, and one for each of its spans.
func (b *Bench) rows(base record.Row, c Cell, outcomes []Outcome) (rows []record.Row) {
	if len(outcomes) == 0 {
		return nil
	}
	if b.Slowdown > 0 {
		base.Notes = append(base.Notes, fmt.Sprintf("slowed by %v %% on purpose", 100*b.Slowdown))
	}
	if floor := pooled(outcomes); floor != nil {
		base.Floor = floor
	}
	own, spans := b.row(base, outcomes), spansOf(outcomes)
	if slices.ContainsFunc(own.Trials, func(t record.Trial) bool { return len(t.Values) > 0 || t.Invalid != "" && spans == nil }) {
		b.judge(&own, c.Targets)
		steady(&own, b.present.warmUp)
		rows = append(rows, own)
	}
	for i, span := range spans {
		row := base
		row.Params = append(slices.Clone(base.Params), record.Param{Key: "span", Value: span.Name})
		row.Placed, row.Slabs, row.Strips, row.Interrupts = own.Placed, own.Slabs, own.Strips, own.Interrupts
		b.spanTrials(&row, i, outcomes)
		if c.pair == (Pair{}) || c.pair == b.Pairs[0] {
			b.judge(&row, span.Targets)
		}
		steady(&row, b.present.warmUp)
		rows = append(rows, row)
	}
	return rows
}

// row is the cell's own, with its trials and what was noted of them.
func (b *Bench) row(own record.Row, outcomes []Outcome) record.Row {
	for _, out := range outcomes {
		own.Trials = append(own.Trials, out.Trial)
		own.Placed, own.Slabs = out.Placed, out.Slabs
	}
	own.Interrupts = interruptsOf(outcomes)
	for _, r := range b.present.rigs {
		own.Strips = append(own.Strips, r.strips...)
	}
	if own.Loads = loads(outcomes); own.Loads != nil {
		own.Notes = append(own.Notes, notes(own.Loads, outcomes[0])...)
	}
	if text := pressed(outcomes); text != "" {
		own.Notes = append(own.Notes, text)
	}
	return own
}

// spansOf is the spans of the first trial that has them.
func spansOf(outcomes []Outcome) []Span {
	for _, out := range outcomes {
		if len(out.Spans) > 0 {
			return out.Spans
		}
	}
	return nil
}

func (b *Bench) judge(row *record.Row, targets []string) {
	for _, id := range targets {
		t, ok := judge.ByID(id)
		if !ok {
			panic("workloads: no target " + id)
		}
		row.Judgements = append(row.Judgements, judge.Row(t, *row, b.Fitness))
	}
}

// JudgeAgain judges every row anew: what was found out about the host after
// they were measured bears on all of them.
func (b *Bench) JudgeAgain(rows []record.Row) {
	for i := range rows {
		var targets []string
		for _, j := range rows[i].Judgements {
			targets = append(targets, j.Target)
		}
		rows[i].Judgements = nil
		b.judge(&rows[i], targets)
	}
}
