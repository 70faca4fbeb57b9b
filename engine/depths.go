package engine

import "eventstreamcore/engine/event"

// Depth is how many events wait in a lane of the bus, and how many it holds.
type Depth struct {
	Routed    int // for the processor
	Processed int // for the store
	Capacity  int // of each of the two
}

// Depths are those of the lanes at the moment. Any goroutine may call it; beside
// a running engine a depth is as of a few nanoseconds ago.
func (e *Engine) Depths() (depths [event.Lanes]Depth) {
	for lane := range depths {
		in, out := &e.bus.Routed[lane], &e.bus.Processed[lane]
		depths[lane] = Depth{Routed: in.Len(), Processed: out.Len(), Capacity: in.Cap()}
	}
	return depths
}
