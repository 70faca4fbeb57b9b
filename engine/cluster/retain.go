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

// retain trims the streams that are led here, until ctx is done: they bring
// records to the replicas, which keep them.
func (n *Node) retain(ctx context.Context) {
	share := uint64(n.cfg.StoreBytes) / uint64(len(n.parts)) / trimShare
	had := make([]uint64, len(n.parts))
	for pause(ctx, trimEvery); ctx.Err() == nil; pause(ctx, trimEvery) {
		for p := range n.parts {
			has, err := n.trim(ctx, p, share, had[p])
			if had[p] = has; err != nil && ctx.Err() == nil {
				n.cfg.Logger.Warn("stream is not trimmed", "partition", p, "err", err)
			}
		}
	}
}

// trim leaves about half of so many bytes in a stream that has more, but never
// takes what a member that answers, or most of the members, had not in their
// replicas by the last look; and is how far they have it now. Who does not
// answer is not waited for: it borrows from the others when it returns.
func (n *Node) trim(ctx context.Context, p int, bytes, had uint64) (has uint64, err error) {
	if !n.parts[p].lead.leading.Load() {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callWait)
	defer cancel()
	stream := n.parts[p].lead.stream
	info, err := stream.Info(ctx)
	if err != nil || info.State.Bytes <= bytes {
		return 0, err
	}
	if has, err = n.spread(ctx, p); err != nil || had == 0 {
		return has, err
	}
	spare := uint64(float64(info.State.Msgs) * (1 - float64(bytes/2)/float64(info.State.Bytes)))
	to := min(info.State.FirstSeq+spare, had)
	if to <= info.State.FirstSeq {
		return has, nil
	}
	n.cfg.Logger.Info("stream is trimmed", "partition", p, "bytes", info.State.Bytes, "from", info.State.FirstSeq, "to", to-1)
	return has, stream.Purge(ctx, jetstream.WithPurgeSequence(to))
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
