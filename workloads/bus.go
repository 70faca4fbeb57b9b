package workloads

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
)

// busCells hand batches through each lane, bell and all: on one thread, from one
// CPU to the other, and through a lane that stands beyond its depth, whose
// consumer discards the oldest.
func busCells(b *Bench) (cells []Cell) {
	for lane := range event.Lane(event.Lanes) {
		for _, batch := range b.Set.numbers("batch", batchSize) {
			pair := Cell{
				Params: params("mode", "pair", "lane", lane.String()), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
				Open: func(b *Bench) (Trial, error) {
					return amortised(b, batch, batchPair(newHanded(lane), batch), nil), nil
				},
			}
			cross := Cell{
				Params: params("mode", "cross", "lane", lane.String()), Threads: 2, Needs: 2, Across: true, FloorUnit: "ns/op", Floor: transferFloor,
				Open: func(b *Bench) (Trial, error) { return crossing(b, newHanded(lane), batch), nil },
			}
			for _, c := range []Cell{pair, cross} {
				cells = append(cells, c.with("batch", amount(batch), amount(batchSize)))
			}
		}
	}
	return append(cells, Cell{
		Params: params("mode", "drop-old", "lane", event.LaneRealtime.String()), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
		Open: func(b *Bench) (Trial, error) {
			return amortised(b, batchSize, overtaking(newHanded(event.LaneRealtime)), nil), nil
		},
	}.with("batch", amount(batchSize), amount(batchSize)))
}

// handed is a lane of the bus as its two ends use it.
type handed struct{ *bus.Lane }

// newHanded is a lane as deep and with the policy as by default.
func newHanded(lane event.Lane) handed {
	policies := bus.DefaultPolicies()
	l := &bus.New(bus.DefaultDepths(), policies[:]...).Routed[lane]
	l.Bell = new(duty.Bell)
	return handed{l}
}

// PushBatch hands over: it is what the dispatcher calls.
func (h handed) PushBatch(refs []event.Ref) int { return h.Hand(refs) }

// overtaking keeps the lane a batch beyond its depth: each batch that comes has
// the consumer discard as many of the oldest.
//
//go:noinline
func overtaking(h handed) loop {
	in, out := make([]event.Ref, batchSize), make([]event.Ref, batchSize)
	for h.Len() < h.Cap() {
		h.HandOver(in)
	}
	return func(n int) (succeeded int) {
		for range n {
			if h.HandOver(in) == batchSize && h.PopBatch(out[:min(h.Excess(), batchSize)]) == batchSize {
				succeeded++
			}
		}
		return succeeded
	}
}
