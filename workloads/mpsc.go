package workloads

import (
	"fmt"
	"slices"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/reports/record"
)

const mpscDepth = 65_536 // the TRANSACTIONAL and BATCH lanes'

func newMPSC() *queue.MPSC { return queue.NewMPSC(make([]event.Ref, mpscDepth)) }

// mpsc pushes and pops on one thread; from one CPU to another; and with several
// producers that fill the ring together and a consumer that drains it after.
func mpsc(b *Bench) []Cell {
	cells := []Cell{{
		Params: params("mode", "pair"), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
		Open: func(b *Bench) (Trial, error) { return amortised(b, 1, mpscPair(newMPSC()), nil), nil },
	}}
	for _, producers := range b.Set.numbers("producers", 1, 2) {
		for _, batch := range b.Set.numbers("batch", 1, 16) {
			if batch == 1 || producers > 1 {
				cells = append(cells, pushes(producers, batch))
			}
		}
	}
	for _, batch := range b.Set.numbers("batch", 1) {
		cells = append(cells, Cell{
			Params: params("mode", "cross", "batch", amount(batch)), Threads: 2, Needs: 2, Across: true, FloorUnit: "ns/op", Floor: transferFloor,
			Open: func(b *Bench) (Trial, error) { return crossing(b, newMPSC(), batch), nil },
		})
	}
	return cells
}

// pushes is one cell of filling.
func pushes(producers, batch int) Cell {
	c := Cell{
		Params: params("mode", "push", "producers", amount(producers)), Threads: producers, Needs: producers, Across: true,
		FloorUnit: "ns/op", Floor: transferFloor,
		Open: func(b *Bench) (Trial, error) { return filling(b, producers, batch), nil },
	}
	if producers == 1 {
		c.Floor = loadStoreFloor
	}
	if batch == 1 {
		c.Targets = []string{"mpsc"}
	}
	return c.with("batch", amount(batch), "1")
}

//go:noinline
func mpscPair(q *queue.MPSC) loop {
	return func(n int) (succeeded int) {
		for i := range n {
			if !q.Push(event.Ref(i)) {
				continue
			}
			if r, ok := q.Pop(); ok && r == event.Ref(i) {
				succeeded++
			}
		}
		return succeeded
	}
}

// filling times pushes alone: producers fill the empty ring together, then it is
// drained and what came out is counted, outside the timed part. The figure is
// wall time a push: with several producers, what they pay for each other.
func filling(b *Bench, producers, batch int) Trial {
	q := newMPSC()
	return Trial{Close: nothing, Run: func() (out Outcome, err error) {
		spent, pushed := int64(0), 0
		for spent < int64(b.Time)/2 {
			ns, n, err := b.fill(q, producers, batch)
			if err != nil || n != mpscDepth {
				out.Invalid = fmt.Sprintf("%d handles came out of a full ring of %d", n, mpscDepth)
				return out, err
			}
			spent, pushed = spent+ns, pushed+n
		}
		out.Trial = record.Trial{N: int64(pushed), Values: []record.Value{value("ns/op", float64(spent)/float64(pushed))}}
		return out, nil
	}}
}

// fill lets the producers fill the ring, then drains it and returns how many
// handles came out.
func (b *Bench) fill(q *queue.MPSC, producers, batch int) (ns int64, drained int, err error) {
	began, ended := make([]cpu.Ticks, producers), make([]cpu.Ticks, producers)
	err = b.together(b.crew(producers), func(i int) {
		refs := make([]event.Ref, batch)
		for j := range refs {
			refs[j] = event.Ref(i<<32 | j)
		}
		began[i] = cpu.Now()
		if batch == 1 {
			for q.Push(refs[0]) {
			}
		} else {
			for q.PushBatch(refs) == batch {
			}
		}
		ended[i] = cpu.End()
	})
	first, last := slices.Min(began), slices.Max(ended)
	out := make([]event.Ref, 1024)
	for n := q.PopBatch(out); n > 0; n = q.PopBatch(out) {
		drained += n
	}
	return b.Clock.Ns(last - first), drained, err
}
