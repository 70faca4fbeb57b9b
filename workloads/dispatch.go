package workloads

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/dispatch"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
)

// dispatchCells route handles of all priorities from one ingest lane to the bus,
// and empty the bus again.
func dispatchCells(b *Bench) (cells []Cell) {
	for _, batch := range b.Set.numbers("batch", dispatchBatch) {
		cells = append(cells, Cell{
			Params: params("priorities", "mixed"), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) { return amortised(b, batch, routing(batch), nil), nil },
		}.with("batch", amount(batch), amount(dispatchBatch)))
	}
	return cells
}

// dispatchBatch is what the dispatcher takes at a time.
const dispatchBatch = 64

//go:noinline
func routing(batch int) loop {
	lanes := bus.New(bus.DefaultDepths())
	for i := range lanes.Routed {
		lanes.Routed[i].Bell = new(duty.Bell)
	}
	source := queue.NewSPSC(make([]event.Ref, 1024), 1024)
	d := dispatch.New(lanes, source)
	in, out := make([]event.Ref, batch), make([]event.Ref, batch)
	for i := range in {
		in[i] = event.Ref(i + 1).WithPriority(event.Priority(i % event.Priorities))
	}
	return func(n int) (succeeded int) {
		for range n {
			source.PushBatch(in)
			for d.Step(0) > 0 {
			}
			routed := 0
			for i := range lanes.Routed {
				routed += lanes.Routed[i].PopBatch(out)
			}
			if routed == batch {
				succeeded++
			}
		}
		return succeeded
	}
}
