package cluster

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/store"
)

// How an owner makes messages of what the nodes send it.

// compose makes of a batch the stream's next group, and its bytes: without what the
// partition has by its mark, and without transactions whose ids it has.
func (l *lead) compose(o offer, have uint64) (f flight, encoded []byte, err error) {
	f = flight{landing: landing{l.end.stream + 1, l.next(o.batch)}, offer: o}
	g := &f.group
	g.count, g.prev = 0, have
	encoded = g.begin(len(o.batch.records))
	head := len(encoded)
	err = o.batch.each(func(e *store.Entry, record []byte) error {
		if e.Sequence <= have || l.seen(e) {
			return nil
		}
		if unique(&e.Record) {
			l.recent[e.ID] = struct{}{}
			f.ids = append(f.ids, e.ID)
		}
		at := len(encoded)
		encoded = append(encoded, record...)
		renumber(encoded[at:], g.index+uint64(g.count))
		g.after = link(g.after, e.Content)
		g.count++
		return nil
	})
	g.records = encoded[head:]
	g.inscribe(encoded)
	return f, encoded, err
}

func (l *lead) seen(e *store.Entry) bool {
	if !unique(&e.Record) {
		return false
	}
	_, ok := l.recent[e.ID]
	return ok || l.ids.Contains(e.ID)
}

// next is b as the stream's next group, still without records of its own.
func (l *lead) next(b group) group {
	b.epoch, b.index, b.before, b.after, b.marks = l.epoch, l.end.index+1, l.end.chain, l.end.chain, l.end.marks
	if b.origin != 0 {
		b.marks = b.marks.with(b.origin, b.last)
	}
	return b
}

// message is the group that is to come next, encoded, with the id under which JetStream, too,
// keeps it once. That is of this reign alone: an earlier one may have made another
// group of the same batch for this place, behind a group that was never stored.
func (l *lead) message(g *group, encoded []byte) *nats.Msg {
	m := nats.NewMsg(l.subject)
	m.Data = encoded
	m.Header.Set(jetstream.ExpectedLastSeqHeader, fmt.Sprint(l.end.stream))
	m.Header.Set(jetstream.MsgIDHeader, fmt.Sprintf("%x.%d.%d.%d.%x", g.origin, g.prev, g.epoch, g.index, l.nonce))
	return m
}

func subjectOf(partition int) string { return fmt.Sprintf("ev.%d", partition) }

func streamOf(partition int) string { return fmt.Sprintf("EV_%d", partition) }
