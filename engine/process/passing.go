package process

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// Passing calls the handlers of a lane whose events go on whatever comes of it:
// alerts on REALTIME.
type Passing struct {
	*calls
	slots *bus.Slots
}

// Attend makes the processor call the handlers, if there are any.
func (p *Processor) Attend(handlers []Handler) *Passing {
	a := &Passing{calls: newCalls(handlers), slots: p.slots}
	if len(handlers) > 0 {
		p.task = a
	}
	return a
}

func (a *Passing) due([]event.Ref, cpu.Ticks) (n, work int) { return 0, 0 }

func (a *Passing) next() cpu.Ticks { return 0 }

func (a *Passing) treat(refs []event.Ref, _ cpu.Ticks) int {
	for _, r := range refs {
		a.run(a.slots.At(r))
	}
	return len(refs)
}
