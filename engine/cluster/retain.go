package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	trimEvery = 10 * time.Second
	trimShare = 4 // of its share of the store, a stream may fill one part before it is trimmed
)

// retain trims the streams of this node's partitions, until ctx is done: they bring
// records to the replicas, which keep them.
func (n *Node) retain(ctx context.Context) {
	share := uint64(n.cfg.StoreBytes) / uint64(len(n.parts)) / trimShare
	seen := make([]looks, len(n.parts))
	for pause(ctx, trimEvery); ctx.Err() == nil; pause(ctx, trimEvery) {
		for p := range n.parts {
			if err := n.trim(ctx, p, share, &seen[p]); err != nil && ctx.Err() == nil {
				n.cfg.Logger.Warn("stream is not trimmed", "partition", p, "err", err)
			}
		}
	}
}

// looks is what was seen of a partition so far.
type looks struct {
	had   uint64 // message up to which the replicas had the stream by the last look
	rests rests
}

// rests are some of the messages of a stream that count, in order. A stream is
// trimmed to one of them: who comes late takes the first message that is left for
// what the others rest on, and could not tell by itself that it counts for nobody.
type rests []uint64

const restsMax = 256

// note adds a message, at the price of every other one if there are many.
func (r rests) note(stream uint64) rests {
	if n := len(r); stream == 0 || n > 0 && r[n-1] >= stream {
		return r
	}
	if len(r) == restsMax {
		for i := range restsMax / 2 {
			r[i] = r[2*i+1]
		}
		r = r[:restsMax/2]
	}
	return append(r, stream)
}

// upTo is the last of them that is no later than a message; 0 if none is.
func (r rests) upTo(stream uint64) (last uint64) {
	for _, at := range r {
		if at <= stream {
			last = at
		}
	}
	return last
}

// beginning is the message that a stream should begin with to hold about half of so
// many bytes, of which all that are before had may go. Who has started not long ago
// remembers none that old: then it waits for more to come, but not until the stream
// holds twice as much, for what has no room takes nothing that could be remembered.
func (r rests) beginning(has *jetstream.StreamState, bytes, had uint64) uint64 {
	spare := uint64(float64(has.Msgs) * (1 - float64(bytes/2)/float64(has.Bytes)))
	to := r.upTo(min(has.FirstSeq+spare, had))
	if to <= has.FirstSeq && has.Bytes > 2*bytes {
		to = r.upTo(min(r.behind(has.FirstSeq), had))
	}
	return to
}

// behind is the first of them that comes behind a message; 0 if none does.
func (r rests) behind(stream uint64) uint64 {
	for _, at := range r {
		if at > stream {
			return at
		}
	}
	return 0
}

// trim leaves about half of so many bytes in a stream that has more, but never
// takes what a member that answers, or most of the members, had not in their
// replicas by the last look. Who does not answer is not waited for: it borrows
// from the others when it returns.
func (n *Node) trim(ctx context.Context, p int, bytes uint64, seen *looks) error {
	had := seen.had
	seen.had, seen.rests = 0, seen.rests.note(n.parts[p].replica.standing().counts)
	if n.parts[p].lead.duty.Load() == nil { // it need not lead: of a stream without room nobody can
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callWait)
	defer cancel()
	stream := n.parts[p].lead.stream
	info, err := stream.Info(ctx)
	if err != nil || info.State.Bytes <= bytes {
		return err
	}
	if seen.had, err = n.spread(ctx, p); err != nil || had == 0 {
		return err
	}
	to := seen.rests.beginning(&info.State, bytes, had)
	if to <= info.State.FirstSeq {
		return nil
	}
	n.cfg.Logger.Info("stream is trimmed", "partition", p, "bytes", info.State.Bytes, "from", info.State.FirstSeq, "to", to-1)
	return stream.Purge(ctx, jetstream.WithPurgeSequence(to))
}

// spread is how far the replicas of a partition have the stream, of all members
// that answer, if those are most.
func (n *Node) spread(ctx context.Context, p int) (least uint64, err error) {
	all, err := (&Client{conn: n.conn, js: n.js}).Statuses(ctx)
	if err != nil {
		return 0, err
	}
	least = ^uint64(0)
	answered := 0
	for _, s := range all {
		if p < len(s.Partitions) && s.Partitions[p].State == Following {
			answered++
			least = min(least, s.Partitions[p].Stream)
		}
	}
	if members := len(n.roster.members()); answered*2 <= members {
		return 0, fmt.Errorf("%d of %d members answer", answered, members)
	}
	return least, nil
}
