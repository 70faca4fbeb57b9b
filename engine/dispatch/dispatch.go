// Package dispatch sends every event to the lane of its priority.
//
// It takes the position that routing needs nothing but the handle: a Ref
// carries its effective priority, so the dispatcher never touches the event's
// memory, which on another core would cost a line transfer each. It looks only
// at what it is about to give up on, and at who sent it where lanes are divided.
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

// Dispatcher routes. It is one thread's: every lane has one producer.
//
// An event whose lane is full waits in that lane's tray, or is dropped if the
// lane's policy and the way it came say so; while a tray has no room for a whole
// batch, sources are left alone, so that the pressure reaches them and nothing
// is reordered within a lane. A source that can be held is left alone before
// that, when a lane is filled to its mark.
type Dispatcher struct {
	ways  []way
	bus   *bus.Bus
	trays []tray // one for each sub-lane
	taken [batch]event.Ref
	guard Defences

	Routed [event.Lanes]metrics.Counter // events handed to each lane
	Taken  *metrics.Marks               // when events were taken from their sources; nil outside a measured run
}

// way is a source, and what of it is held while transactions pause.
type way struct {
	source Source
	origin event.Origin
	paused []event.Ref // transactions, at most a batch
}

// Defences are what a dispatcher does about pressure.
type Defences struct {
	Orders *bus.Orders // the controller's
	Chute  *bus.Chute  // for what is given up on
	Slots  *bus.Slots

	// Marks are the events in each lane beyond which sources that can be held
	// are: below the lane's depth, so that it never drops theirs for being full.
	Marks [event.Lanes]int
}

// tray holds what is on its way into a sub-lane; refs[:n] in order of arrival.
type tray struct {
	refs   [2 * batch]event.Ref
	n      int
	to     *bus.Lane
	mark   int // the sub-lane's part of its lane's
	credit int // events that may go in before the sub-lane must be looked at again
	routed *metrics.Counter
}

// New routes from the sources, which are drained in turn, to the bus. Without
// Defences it holds all of them when a lane is full.
func New(b *bus.Bus, sources ...Source) *Dispatcher {
	d := &Dispatcher{bus: b, trays: make([]tray, len(b.Routed))}
	for lane := range event.Lane(event.Lanes) {
		at := b.At(lane)
		for i := range b.Routed[at].Parts {
			d.trays[at+i].to, d.trays[at+i].routed = &b.Routed[at+i], &d.Routed[lane]
		}
	}
	for _, s := range sources {
		d.Add(s, event.FromTCP)
	}
	return d
}

// Add is one more source, of events that all come in this way: how says whether
// they can be held, and whether they may be dropped.
func (d *Dispatcher) Add(s Source, how event.Origin) {
	d.ways = append(d.ways, way{source: s, origin: how, paused: make([]event.Ref, 0, batch)})
}

// Defend makes it obey orders, policies and marks.
func (d *Dispatcher) Defend(with Defences) {
	d.guard = with
	for lane := range event.Lane(event.Lanes) {
		at := d.bus.At(lane)
		for i := range d.bus.Routed[at].Parts {
			d.trays[at+i].mark = max(1, with.Marks[lane]/d.bus.Routed[at].Parts)
		}
	}
}

// Step routes at most one batch from each source.
func (d *Dispatcher) Step(cpu.Ticks) int {
	work := d.hand()
	var order bus.Order
	if d.guard.Orders != nil {
		order = d.guard.Orders.Given()
	}
	for i := range d.ways {
		w := &d.ways[i]
		if d.blocked() {
			break
		}
		if len(w.paused) > 0 && !d.resume(w, order) {
			continue
		}
		room, most := d.room(bus.Lossy(w.origin)), batch
		if bus.Holdable(w.origin) {
			most = room
		}
		n := w.source.PopBatch(d.taken[:most])
		if n == 0 {
			continue
		}
		refs := d.taken[:n]
		metrics.Note(d.Taken, refs)
		if order != (bus.Order{}) {
			refs = d.obey(w, refs, order)
		}
		routed := len(refs)
		if routed > room {
			routed = d.squeeze(refs)
		} else {
			d.sort(refs)
		}
		work += d.hand() + n - routed
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

// room is how many events may be taken, so that no lane gets beyond its mark. A
// lane's length is read only when as many went in as had room when it was last
// read: it is written by another core.
func (d *Dispatcher) room(lossy bool) int {
	n := batch
	if d.guard.Slots == nil {
		return n
	}
	for i := range d.trays {
		t := &d.trays[i]
		if lossy && t.to.Policy != bus.BlockProducer {
			continue
		}
		if t.credit <= 0 {
			t.credit = t.mark - t.to.Len() - t.n
		}
		n = min(n, max(0, t.credit))
	}
	return n
}

func (d *Dispatcher) sort(refs []event.Ref) {
	if d.bus.Sublanes > 1 {
		d.divide(refs)
		return
	}
	trays := (*[event.Lanes]tray)(d.trays)
	for _, r := range refs {
		trays[r.Priority().Lane()%event.Lanes].put(r)
	}
}

func (t *tray) put(r event.Ref) {
	t.refs[uint(t.n)%uint(len(t.refs))] = r
	t.n++
}

// divide sorts by sub-lane, which the producer decides. Events that the server
// numbered have none: there each way in counts as one.
func (d *Dispatcher) divide(refs []event.Ref) {
	for _, r := range refs {
		d.part(r).put(r)
	}
}

// part is the tray of the event's sub-lane.
func (d *Dispatcher) part(r event.Ref) *tray {
	lane := r.Priority().Lane()
	at := d.bus.At(lane)
	if lane == event.LaneRealtime || d.bus.Sublanes == 1 {
		return &d.trays[at]
	}
	producer := d.guard.Slots.At(r).ID >> event.CounterBits
	if producer == 0 {
		producer = serverNumbered | uint64(r.Pool())
	}
	return &d.trays[at+bus.Sublane(producer, d.bus.Sublanes)]
}

const serverNumbered = 1 << 32 // beyond every producer

// hand empties the trays into their lanes as far as these have room.
func (d *Dispatcher) hand() (work int) {
	for i := range d.trays {
		t := &d.trays[i]
		if t.n == 0 {
			continue
		}
		n := t.to.Hand(t.refs[:t.n])
		rest := t.refs[n:t.n]
		if len(rest) > 0 && t.to.Policy != bus.BlockProducer && d.guard.Chute != nil {
			over, dropped := d.overflow(t.to, &rest)
			n += over
			work += dropped
		}
		t.n = copy(t.refs[:], rest)
		t.credit -= n
		t.routed.Add(uint64(n))
		work += n
	}
	return work
}
