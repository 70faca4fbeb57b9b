package dispatch

import (
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// obey carries out the controller's order on a batch of w: what is below the
// least priority is given up on, transactions are put on hold, or given up on
// where nobody can be held for them, and the rest is to be routed.
func (d *Dispatcher) obey(w *way, refs []event.Ref, order bus.Order) []event.Ref {
	refs = d.cull(refs, order.Least)
	if !order.PauseTransactions {
		return refs
	}
	kept := refs[:0]
	for _, r := range refs {
		switch {
		case r.Priority().Lane() != event.LaneTransactional:
			kept = append(kept, r)
		case bus.Holdable(w.origin):
			w.paused = append(w.paused, r)
		default:
			d.guard.Chute.DropOne(r, wire.ReasonPaused)
		}
	}
	return kept
}

// cull gives up on what is below the least priority and returns the rest.
func (d *Dispatcher) cull(refs []event.Ref, least event.Priority) []event.Ref {
	reason := wire.ReasonBackpressure
	if least == event.Critical {
		reason = wire.ReasonEmergency
	}
	kept := refs[:0]
	for _, r := range refs {
		if r.Priority() < least {
			d.guard.Chute.DropOne(r, reason)
		} else {
			kept = append(kept, r)
		}
	}
	return kept
}

// resume routes what w has on hold, unless transactions still pause, and
// reports whether nothing is on hold any more. Until then the source is left
// alone, which is how its sender is held.
func (d *Dispatcher) resume(w *way, order bus.Order) bool {
	w.paused = d.cull(w.paused, order.Least)
	if order.PauseTransactions && len(w.paused) > 0 {
		return false
	}
	d.sort(w.paused)
	w.paused = w.paused[:0]
	d.hand()
	return !d.blocked()
}

// squeeze sorts events of a sender that cannot be held, and gives up on them
// where others are held: at the mark of a lane that holds its producers. On hold
// they would stop what comes behind them, which may be urgent.
func (d *Dispatcher) squeeze(refs []event.Ref) (sorted int) {
	for _, r := range refs {
		t := d.part(r)
		if t.to.Policy == bus.BlockProducer && t.to.Len()+t.n >= t.mark {
			d.guard.Chute.DropOne(r, wire.ReasonQueueFull)
			continue
		}
		t.put(r)
		sorted++
	}
	return sorted
}

// overflow deals with what found its lane full, by the lane's policy. Under
// DropOld the new go in beyond the depth, and the consumer drops the oldest;
// under DropNew those that may be are dropped here. What is left in rest waits.
func (d *Dispatcher) overflow(lane *bus.Lane, rest *[]event.Ref) (over, dropped int) {
	if lane.Policy == bus.DropOld {
		over = lane.HandOver(*rest)
		*rest = (*rest)[over:]
		return over, 0
	}
	kept := (*rest)[:0]
	for _, r := range *rest {
		if bus.Lossy(d.guard.Slots.At(r).Origin) {
			d.guard.Chute.DropOne(r, wire.ReasonQueueFull)
			dropped++
		} else {
			kept = append(kept, r)
		}
	}
	*rest = kept
	return 0, dropped
}
