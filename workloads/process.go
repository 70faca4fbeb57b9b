package workloads

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/queue"
	"eventstreamcore/reports/record"
)

// processCells step the processor of each lane over full batches, with a handler
// of the topic; the transactional one has new ids to remember besides.
func processCells(b *Bench) (cells []Cell) {
	for lane, priority := range lanePriority {
		for _, payload := range b.Set.numbers("payload", pipelinePayload) {
			cells = append(cells, Cell{
				Params: params("lane", event.Lane(lane).String()), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
				Open: func(b *Bench) (Trial, error) { return processing(b, event.Lane(lane), priority, payload) },
			}.with("payload", amount(payload), amount(pipelinePayload)))
		}
	}
	return cells
}

// lanePriority is a priority that goes to each lane.
var lanePriority = [event.Lanes]event.Priority{event.High, event.Medium, event.Batch}

// processBatch is what a processor takes in one step.
const processBatch = 64

func processing(b *Bench, lane event.Lane, priority event.Priority, payload int) (Trial, error) {
	s, err := b.newStock()
	if err != nil {
		return Trial{}, err
	}
	bench := newProcessorBench(b.Clock, s, lane)
	refs := make([]event.Ref, processBatch)
	for i := range refs {
		r, h := s.Acquire(event.SizeOf(8, payload))
		h.Type, h.Priority = event.TypeEvent, priority
		h.Fill([]byte("bench/rt"), make([]byte, payload))
		refs[i] = r.WithPriority(priority)
	}
	t := amortised(b, processBatch, bench.steps(refs, s), func(float64) []record.Value { return nil })
	t.Close = s.close
	return t, nil
}

// processorBench is a processor between two lanes, with nobody at their ends.
type processorBench struct {
	*process.Processor
	in, out *bus.Lane
}

func newProcessorBench(clock cpu.Clock, s *stock, lane event.Lane) *processorBench {
	lanes := bus.New(bus.DefaultDepths())
	slots := s.slots()
	letters := &bus.DeadLetters{Lane: &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, 64)), Bell: new(duty.Bell)}, Slots: slots}
	p := &processorBench{
		Processor: process.NewProcessor(lanes, lane, 0, slots, bus.NewChute(letters), clock),
		in:        &lanes.Routed[lane], out: &lanes.Processed[lane],
	}
	p.in.Bell, p.out.Bell = new(duty.Bell), new(duty.Bell)
	handled := 0
	handlers := []process.Handler{{Pattern: "bench/#", Handle: func(*process.Event) error { handled++; return nil }}}
	switch lane {
	case event.LaneTransactional:
		p.Transact(process.NewSeen(process.DefaultMemory(), 1, clock, nil).Part(0), handlers)
	default:
		p.Attend(handlers)
	}
	return p
}

// steps hands the batch in, steps, and takes it out again. Every event has an id
// that was never there before, and was received just now.
//
//go:noinline
func (p *processorBench) steps(refs []event.Ref, s *stock) loop {
	const producer = 7 << 40
	id := uint64(producer)
	out := make([]event.Ref, len(refs))
	return func(n int) (succeeded int) {
		for range n {
			now := cpu.Now()
			for _, r := range refs {
				h := s.arena.At(r)
				id++
				h.ID, h.Received = id, now
			}
			p.in.Hand(refs)
			p.Step(now)
			if p.out.PopBatch(out) == len(refs) {
				succeeded++
			}
		}
		return succeeded
	}
}
