package cluster

import (
	"context"
	"slices"
)

// Move is a partition that went from one node to another.
type Move struct {
	Partition int
	From, To  string
}

// Balance gives partitions back to the nodes that own them while all are there:
// what a node lost when it stopped it does not get back by itself, for each move
// holds answers up, for 0.1 to 1 s. A partition whose owner does not answer is left to
// the leases, and a node whose replica is not up to date gets none.
func (c *Client) Balance(ctx context.Context) (moves []Move, err error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return nil, err
	}
	t, revision, err := readTable(ctx, kv)
	if err != nil {
		return nil, err
	}
	nodes, err := c.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	for p, a := range t.Partitions {
		ready := followers(nodes, t.Nodes, p)
		if !slices.Contains(ready, a.Owner) {
			continue
		}
		if to := heir(ready, p); to != a.Owner {
			moves = append(moves, Move{p, a.Owner, to})
			t.Partitions[p] = Assignment{to, a.Epoch + 1}
		}
	}
	if len(moves) == 0 {
		return nil, nil
	}
	_, err = writeTable(ctx, kv, &t, revision)
	return moves, err
}

// followers are the members whose replicas of a partition are up to date.
func followers(nodes []Status, members []string, partition int) (names []string) {
	for _, s := range nodes {
		if slices.Contains(members, s.Name) && partition < len(s.Partitions) && s.Partitions[partition].State == Following {
			names = append(names, s.Name)
		}
	}
	return names
}
