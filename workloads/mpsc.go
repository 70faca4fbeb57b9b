package workloads

import (
	"fmt"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/reports/record"
)

const mpscDepth = 65_536 // the TRANSACTIONAL and BATCH lanes'

func newMPSC() *queue.MPSC { return queue.NewMPSC(make([]event.Ref, mpscDepth)) }

// mpsc pushes and pops on one thread; from one CPU to another; and with two
// producers that fill the ring together and a consumer that drains it after.
func mpsc(*Bench) []Cell {
	return []Cell{
		{
			Params: params("mode", "pair"), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) { return amortised(b, 1, mpscPair(newMPSC()), nil), nil },
		},
		{
			Params: params("mode", "push", "producers", "1"), Threads: 1, Targets: []string{"mpsc"}, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) { return filling(b, 1, 1), nil },
		},
		{
			Params: params("mode", "push", "producers", "2"), Threads: 2, Needs: 2, Targets: []string{"mpsc"}, FloorUnit: "ns/op", Floor: transferFloor,
			Open: func(b *Bench) (Trial, error) { return filling(b, 2, 1), nil },
		},
		{
			Params: params("mode", "push", "producers", "2", "batch", "16"), Threads: 2, Needs: 2, FloorUnit: "ns/op", Floor: transferFloor,
			Open: func(b *Bench) (Trial, error) { return filling(b, 2, 16), nil },
		},
		{
			Params: params("mode", "cross", "batch", "1"), Threads: 2, Needs: 2, FloorUnit: "ns/op", Floor: transferFloor,
			Open: func(b *Bench) (Trial, error) { return crossing(b, newMPSC(), 1), nil },
		},
	}
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
// wall time a push: with two producers, what the two pay for each other.
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
	var began, ended [2]cpu.Ticks
	err = b.together([]int{b.Hot, b.Peer}[:producers], func(i int) {
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
	first, last := began[0], ended[0]
	if producers == 2 {
		first, last = min(first, began[1]), max(last, ended[1])
	}
	out := make([]event.Ref, 1024)
	for n := q.PopBatch(out); n > 0; n = q.PopBatch(out) {
		drained += n
	}
	return b.Clock.Ns(last - first), drained, err
}
