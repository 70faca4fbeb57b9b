package workloads

import (
	"eventstreamcore/engine/event"
	"eventstreamcore/reports/record"
)

// Contest measures cells that do the same by different means, in turns: in each
// round every one of them has its turn, in random order. A turn opens the cell
// anew, for who got the better addresses must not decide, warms it up and keeps
// one trial. Their floors are measured beforehand; cells that this machine cannot run
// are skipped with the reason.
func (b *Bench) Contest(workload string, cells []Cell, stopped func() bool) (rows []record.Row, err error) {
	bases, outcomes := make([]record.Row, len(cells)), make([][]Outcome, len(cells))
	for i, c := range cells {
		if bases[i], err = b.prepare(workload, c); err != nil {
			return nil, err
		}
	}
	for range b.Trials {
		for _, i := range b.Random.Perm(len(cells)) {
			if stopped() {
				break
			}
			if bases[i].Skipped != "" {
				continue
			}
			if err := b.confine(cells[i].Threads); err != nil {
				return nil, err
			}
			kept, err := b.trials(title(workload, cells[i]), cells[i], 1, stopped)
			if err != nil {
				return nil, err
			}
			outcomes[i] = append(outcomes[i], kept...)
		}
	}
	for i, c := range cells {
		if bases[i].Skipped != "" {
			rows = append(rows, bases[i])
			continue
		}
		rows = append(rows, b.rows(bases[i], c, outcomes[i])...)
	}
	return rows, nil
}

// With is the cell with one parameter more, at the end of its name, and without
// targets: who is set against others is not judged by them.
func (c Cell) With(key, value string) Cell {
	c.Params = append(c.Params[:len(c.Params):len(c.Params)], record.Param{Key: key, Value: value})
	c.Targets = nil
	return c
}

// Amortised is the trial of a cheap operation on the hot CPU, by the rules that
// hold for all of them here: run performs n operations of items each and returns
// how many succeeded, and figures are per item.
func Amortised(b *Bench, items int, run func(n int) (succeeded int)) Trial {
	return amortised(b, items, run, nil)
}

// Crossing is the trial of a queue from the peer CPU to the hot one, batch at a
// time; each handle must arrive, once and in order. Refused pushes are tried
// again and never counted.
func Crossing(b *Bench, q Ring, batch int) Trial { return crossing(b, q, batch) }

// Ring is a queue of handles. PushBatch returns how many of refs it took, from the
// front; PopBatch how many it gave.
type Ring interface {
	PushBatch(refs []event.Ref) int
	PopBatch(refs []event.Ref) int
}

// Known is the i-th of the ids that a dedup table, or its peer, is filled with
// before it is measured; odd ids below it are not there.
func Known(i int) uint64 { return knownID(i) }
