package cluster

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"eventstreamcore/engine/event"
)

// TestBalance: a node that stopped and came back gets its partitions once it is
// asked for, and not before; what comes in meanwhile is on all nodes, once.
func TestBalance(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take seconds")
	}
	c, ctx := newTrio(t), context.Background()
	names := []string{"n1", "n2", "n3"}
	gone := slices.Index(names, heir(names, 0))
	stays := c.nodes[(gone+1)%len(names)]
	client := within(stays)
	owners := func() (all []string) {
		table, err := client.Table(ctx)
		if err != nil {
			return nil
		}
		for _, a := range table.Partitions {
			all = append(all, a.Owner)
		}
		return all
	}
	home := []string{heir(names, 0), heir(names, 1)}
	eventually(t, "each partition is where it belongs", func() bool { return slices.Equal(owners(), home) })

	c.nodes[gone].Close()
	eventually(t, "others own what the stopped node did", func() bool { all := owners(); return all != nil && !slices.Contains(all, names[gone]) })
	moved := owners()
	if moves, err := client.Balance(ctx); len(moves) > 0 || err != nil {
		t.Errorf("moved to a node that is not there: %v, %v", moves, err)
	}
	c.nodes[gone] = started(t, c.cfgs[gone])
	joined(t, c.nodes[gone])
	total := 0
	fill := func() {
		for range 500 {
			total++
			c.writers[0].put(1<<40|uint64(total), event.Medium, fmt.Sprintf("t/%d", total%11), []byte("payload"))
		}
		c.writers[0].commit()
	}
	fill()
	c.agree(total, c.nodes[:]...)
	if now := owners(); !slices.Equal(now, moved) {
		t.Errorf("partitions moved by themselves, from %v to %v", moved, now)
	}
	eventually(t, "the partitions are given back", func() bool {
		_, err := client.Balance(ctx)
		return err == nil && slices.Equal(owners(), home)
	})
	fill()
	c.agree(total, c.nodes[:]...)
	if moves, err := client.Balance(ctx); len(moves) > 0 || err != nil {
		t.Errorf("moved once more: %v, %v", moves, err)
	}
}
