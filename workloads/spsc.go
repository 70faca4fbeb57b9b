package workloads

import (
	"fmt"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/reports/record"
)

const (
	spscDepth = 16_384 // the REALTIME lane's
	batchSize = 32
)

func newSPSC() *queue.SPSC { return queue.NewSPSC(make([]event.Ref, spscDepth), spscDepth) }

// spsc pushes and pops on one thread, singly and in batches, then from one CPU
// to another.
func spsc(b *Bench) []Cell {
	cells := []Cell{{
		Params: params("mode", "pair"), Threads: 1, Targets: []string{"spsc"}, FloorUnit: "ns/op", Floor: loadStoreFloor,
		Open: func(b *Bench) (Trial, error) { return amortised(b, 1, spscPair(newSPSC()), nil), nil },
	}}
	for _, batch := range b.Set.numbers("batch", batchSize) {
		cells = append(cells, Cell{
			Params: params("mode", "batch", "batch", amount(batch)), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) {
				return amortised(b, batch, batchPair(newSPSC(), batch), nil), nil
			},
		})
	}
	for _, batch := range b.Set.numbers("batch", 1, batchSize) {
		c := Cell{
			Params: params("mode", "cross", "batch", amount(batch)), Threads: 2, Needs: 2, Across: true, FloorUnit: "ns/op", Floor: transferFloor,
			Open: func(b *Bench) (Trial, error) { return crossing(b, newSPSC(), batch), nil },
		}
		if batch == 1 {
			c.Targets = []string{"spsc-rate"}
		}
		cells = append(cells, c)
	}
	return cells
}

// spscPair is written out for the concrete type: through an interface it would
// not be inlined, and the call would be what is measured.
//
//go:noinline
func spscPair(q *queue.SPSC) loop {
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

// batchPair pushes a batch and pops it again.
//
//go:noinline
func batchPair(q Ring, size int) loop {
	in, out := make([]event.Ref, size), make([]event.Ref, size)
	for i := range in {
		in[i] = event.Ref(i + 1)
	}
	return func(n int) (succeeded int) {
		for range n {
			if q.PushBatch(in) == size && q.PopBatch(out) == size && out[size-1] == in[size-1] {
				succeeded++
			}
		}
		return succeeded
	}
}

// crossing sends handles from the peer CPU to the hot one, batch at a time, and
// checks that each arrives, once and in order. Refused pushes are tried again
// and never counted.
func crossing(b *Bench, q Ring, batch int) Trial {
	n := 0
	return Trial{Close: nothing, Run: func() (Outcome, error) {
		if n == 0 {
			n = 1 << 18
			if out, err := b.cross(q, batch, n); err != nil || out.Invalid != "" {
				return out, err
			} else if ns := out.Values[0].Value; ns > 0 {
				n = max(int(float64(b.Time)/ns), 1<<16)
			}
		}
		return b.cross(q, batch, n)
	}}
}

func (b *Bench) cross(q Ring, batch, n int) (out Outcome, err error) {
	var began, ended cpu.Ticks
	var wrong string
	err = b.together([]int{b.Peer, b.Hot}, func(i int) {
		if i == 0 {
			began = cpu.Now()
			produce(q, batch, n)
			return
		}
		wrong = consume(q, batch, n)
		ended = cpu.End()
	})
	ns := float64(b.Clock.Ns(ended-began)) / float64(n)
	out.Trial = record.Trial{N: int64(n), Invalid: wrong, Values: []record.Value{value("ns/op", ns), value("events/s", 1e9/ns)}}
	return out, err
}

// backOff is how many PAUSEs a side waits that found no room, or nothing: a side
// that polls without any takes the line from the other for each item.
const backOff = 16

func produce(q Ring, batch, n int) {
	refs := make([]event.Ref, batch)
	for sent := 0; sent < n; {
		size := min(batch, n-sent)
		for i := range size {
			refs[i] = event.Ref(sent + i)
		}
		for rest := refs[:size]; len(rest) > 0; {
			pushed := q.PushBatch(rest)
			if rest = rest[pushed:]; pushed == 0 {
				cpu.Pause(backOff)
			}
		}
		sent += size
	}
}

func consume(q Ring, batch, n int) (wrong string) {
	refs := make([]event.Ref, max(batch, batchSize))
	for received := 0; received < n; {
		popped := q.PopBatch(refs)
		for i, r := range refs[:popped] {
			if r != event.Ref(received+i) && wrong == "" {
				wrong = fmt.Sprintf("handle %d arrived as the %dth", r, received+i)
			}
		}
		if received += popped; popped == 0 {
			cpu.Pause(backOff)
		}
	}
	return wrong
}
