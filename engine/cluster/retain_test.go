package cluster

import (
	"context"
	"fmt"
	"os"
	"testing"

	"eventstreamcore/engine/event"
)

// trimmed has the owner of each partition trim its stream to next to nothing.
func (c *trio) trimmed(nodes ...*Node) {
	c.t.Helper()
	for p := range nodes[0].parts {
		var had uint64
		eventually(c.t, fmt.Sprintf("the stream of partition %d begins later", p), func() bool {
			for _, n := range nodes {
				if has, err := n.trim(context.Background(), p, 1, had); has > 0 && err == nil {
					had = has
				}
			}
			info, err := nodes[0].parts[p].lead.stream.Info(context.Background())
			return err == nil && info.State.FirstSeq > 2
		})
	}
}

// TestReturningNodeBorrows: what the streams no longer have, a node that was away
// takes from the others' replicas; one partition from where it was, one that it
// has lost from the first record on.
func TestReturningNodeBorrows(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take seconds")
	}
	c, total := newTrio(t), 0
	fill := func(events int) {
		for range events {
			total++
			c.writers[1].put(2<<40|uint64(total), event.Medium, fmt.Sprintf("t/%d", total%11), []byte("payload"))
			if total%100 == 0 {
				c.writers[1].commit()
			}
		}
		c.writers[1].commit()
	}
	fill(1000)
	c.agree(total, c.nodes[:]...)
	c.nodes[0].Close()
	lost := c.nodes[0].parts[1].replica.dir
	if err := os.RemoveAll(lost); err != nil {
		t.Fatal(err)
	}
	fill(2000)
	c.agree(total, c.nodes[1:]...)
	c.trimmed(c.nodes[1:]...)
	fill(500)
	c.nodes[0] = started(t, c.cfgs[0])
	joined(t, c.nodes[0])
	c.agree(total, c.nodes[:]...)
	for p := range c.nodes[0].parts {
		eventually(t, "it is served again", func() bool {
			b, err := c.nodes[0].parts[p].replica.read(nil, 1, readSize)
			return err == nil && len(b) > 0
		})
	}
}
