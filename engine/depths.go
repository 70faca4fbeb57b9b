package engine

import "eventstreamcore/engine/event"

// Depth is how many events wait in a lane of the bus, all its sub-lanes together, and
// how many it holds.
type Depth struct {
	Routed    int // for the processor
	Processed int // for the store
	Capacity  int // of each of the two
}

// Depths are those of the lanes at the moment. Any goroutine may call it; beside
// a running engine a depth is as of a few nanoseconds ago.
func (e *Engine) Depths() (depths [event.Lanes]Depth) {
	for lane := range depths {
		d, at := &depths[lane], e.bus.At(event.Lane(lane))
		for i := at; i < at+e.bus.Routed[at].Parts; i++ {
			d.Routed += e.bus.Routed[i].Len()
			d.Processed += e.bus.Processed[i].Len()
			d.Capacity += e.bus.Routed[i].Cap()
		}
	}
	return depths
}
