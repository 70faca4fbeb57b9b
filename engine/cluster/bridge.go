package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"eventstreamcore/engine/store"
)

// What a replica does when the stream no longer holds what comes next: it takes
// those records from the replicas of others, and goes on where the stream
// begins. Until then it serves nobody.

// bridge makes the replica's end the one that a group rests on, where the
// messages before it are gone. Every group says enough of it: where it stands in
// the partition and how far each node's log was. A message that counts for nobody
// leaves the replica adrift.
func (r *replica) bridge(ctx context.Context, l *landing) error {
	g := &l.group
	r.enter(Repairing)
	if g.index < r.kept() && !r.reachesBase(g) {
		return nil // a later one rests on what is kept
	}
	chain, err := r.chainBefore(ctx, l)
	if err != nil {
		return err
	}
	if chain != g.before {
		if r.strangers++; r.strangers > flightsMax { // more than one owner's groups under way
			r.strangers = 0
			return fmt.Errorf("%w: the chain behind record %d is none that the stream rests on", errDamaged, g.index-1)
		}
		return nil
	}
	r.end = tail{stream: l.stream - 1, epoch: g.epoch, index: g.index - 1, chain: g.before, marks: g.marks}
	if g.origin != 0 {
		r.end.marks = g.marks.with(g.origin, g.prev)
	}
	r.adrift, r.strangers = false, 0
	r.enter(Following)
	r.logger.Info("replica goes on where the stream begins", "message", l.stream, "records", r.has.index)
	return nil
}

// reachesBase reports whether a group that begins before what is kept passes
// through what that rests on.
func (r *replica) reachesBase(g *group) (reaches bool) {
	at, base := bound{g.index - 1, g.before}, bound{r.base.index, r.base.chain}
	err := g.each(func(e *store.Entry, _ []byte) error {
		at = bound{at.index + 1, link(at.chain, e.Content)}
		reaches = reaches || at == base
		return nil
	})
	return reaches && err == nil
}

// chainBefore is the chain on which a group should rest, once the log has all
// before it.
func (r *replica) chainBefore(ctx context.Context, l *landing) (uint32, error) {
	g := &l.group
	if g.index < r.kept() {
		return g.before, nil
	}
	err := r.borrow(ctx, g.index-1)
	if errors.Is(err, errGone) {
		err = r.outlive(ctx, l, err)
	}
	if err != nil {
		return 0, err
	}
	r.goneSince = time.Time{}
	if g.index-1 == r.has.index {
		return r.has.chain, nil
	}
	return r.chainBehind(g.index - 1)
}

// errGone says that records are neither in the stream nor with anybody who
// answers.
var errGone = errors.New("no stream has them, nor a node that answers")

// borrow appends the records up to one from whoever has them.
func (r *replica) borrow(ctx context.Context, to uint64) error {
	from := r.has.index + 1
	for r.has.index < to {
		before := r.has.index
		others, _ := r.others()
		for _, node := range others {
			if err := r.borrowFrom(ctx, node, to); err != nil {
				return err
			}
		}
		if r.has.index == before {
			return fmt.Errorf("records %d to %d of partition %d: %w", before+1, to, r.number, errGone)
		}
	}
	if from <= to {
		r.logger.Warn("records that the stream no longer has came from other nodes", "from", from, "to", to)
	}
	r.hasNow()
	return r.write()
}

// borrowFrom takes from one node what it gives, up to a record. That it gives
// nothing is no error.
func (r *replica) borrowFrom(ctx context.Context, node string, to uint64) error {
	for r.has.index < to {
		records := r.lend(ctx, node, r.has.index+1)
		if len(records) == 0 {
			return ctx.Err()
		}
		if err := r.adopt(records, to); err != nil {
			return err
		}
	}
	return nil
}

// lend is what another node's replica gives of the partition's records from one
// on: nothing, if it has none, or does not answer.
func (f *feed) lend(ctx context.Context, node string, from uint64) []byte {
	request, err := json.Marshal(readRequest{f.number, from})
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	m, err := f.conn.RequestWithContext(ctx, readSubject+node, request)
	if err != nil || m.Header.Get(errorHeader) != "" {
		return nil
	}
	return m.Data
}

// adopt appends records as another replica has them, up to one.
func (r *replica) adopt(b []byte, to uint64) error {
	for len(b) > 0 && r.has.index < to {
		var e store.Entry
		size, err := e.Decode(b)
		if err != nil || e.Sequence != r.has.index+1 {
			return fmt.Errorf("record %d from another node: %w", r.has.index+1, errors.Join(err, errGroup))
		}
		if err := r.append(b[:e.Length], e.Sequence); err != nil {
			return err
		}
		r.hold(&e, bound{e.Sequence, link(r.has.chain, e.Content)})
		b = b[size:]
	}
	return nil
}
