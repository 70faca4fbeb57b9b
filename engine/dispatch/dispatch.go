// Package dispatch sends every event to the lane of its priority.
//
// It takes the position that routing needs nothing but the handle: a Ref
// carries its effective priority, so the dispatcher never touches the event's
// memory, which on another core would cost a line transfer each.
package dispatch

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

// batch bounds the events that one Step takes from one source.
const batch = 256

// Source is a lane from ingest: one worker's, or one publisher's.
type Source interface {
	PopBatch([]event.Ref) int
}

// Dispatcher routes. It is one thread's: the REALTIME lane has one producer.
//
// An event whose lane is full waits in that lane's tray; while a tray has no
// room for a whole batch, sources are left alone, so that the pressure reaches
// them and nothing is reordered within a lane.
type Dispatcher struct {
	sources []Source
	lanes   *[event.Lanes]bus.Lane
	trays   [event.Lanes]tray
	taken   [batch]event.Ref

	Routed [event.Lanes]metrics.Counter // events handed to each lane
}

// tray holds what is on its way into a lane; refs[:n] in order of arrival.
type tray struct {
	refs [2 * batch]event.Ref
	n    int
}

// New routes from the sources, which are drained in turn, to the bus.
func New(b *bus.Bus, sources ...Source) *Dispatcher {
	return &Dispatcher{sources: sources, lanes: &b.Routed}
}

// Step routes at most one batch from each source.
func (d *Dispatcher) Step(cpu.Ticks) int {
	work := d.hand()
	for _, source := range d.sources {
		if d.blocked() {
			break
		}
		n := source.PopBatch(d.taken[:])
		if n == 0 {
			continue
		}
		d.sort(d.taken[:n])
		work += d.hand()
	}
	return work
}

// blocked reports whether some tray could not take a whole batch.
func (d *Dispatcher) blocked() bool {
	for i := range d.trays {
		if d.trays[i].n > batch {
			return true
		}
	}
	return false
}

func (d *Dispatcher) sort(refs []event.Ref) {
	for _, r := range refs {
		t := &d.trays[r.Priority().Lane()%event.Lanes]
		t.refs[t.n%len(t.refs)] = r
		t.n++
	}
}

// hand empties the trays into their lanes as far as these have room.
func (d *Dispatcher) hand() (work int) {
	for i := range d.trays {
		t := &d.trays[i]
		if t.n == 0 {
			continue
		}
		n := d.lanes[i].Hand(t.refs[:t.n])
		t.n = copy(t.refs[:], t.refs[n:t.n])
		d.Routed[i].Add(uint64(n))
		work += n
	}
	return work
}

// Waiting is how many events wait in trays; the dispatcher's thread's to call.
func (d *Dispatcher) Waiting() (n int) {
	for i := range d.trays {
		n += d.trays[i].n
	}
	return n
}
