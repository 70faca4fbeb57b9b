package cluster

import (
	"context"
	"fmt"
	"testing"

	"eventstreamcore/engine/event"
)

// TestRemovedNode: a node that was removed is nobody's peer: the streams are kept
// by the others and go on, JetStream knows it no longer, and it is refused when it
// comes back.
func TestRemovedNode(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take seconds")
	}
	c, ctx := newTrio(t), context.Background()
	const gone = "n3"
	stay := c.nodes[:2]
	c.nodes[2].Close()
	client := within(c.nodes[0])
	eventually(t, "the stopped node owns nothing, and is removed", func() bool {
		left, err := client.Remove(ctx, gone)
		if err == nil && fmt.Sprint(left) != "[n1 n2]" {
			t.Errorf("left are %v", left)
		}
		return err == nil
	})
	if _, err := client.Remove(ctx, gone); err != nil {
		t.Errorf("removed again: %v", err)
	}
	if _, err := client.Remove(ctx, "n9"); err == nil {
		t.Error("a stranger was removed")
	}
	eventually(t, "streams have the others' copies alone", func() bool {
		for p := range stay[0].parts {
			info, err := stay[0].parts[p].lead.stream.Info(ctx)
			if err != nil || info.Cluster == nil || info.Cluster.Leader == "" || info.Cluster.Leader == gone || len(info.Cluster.Replicas) != 1 || info.Cluster.Replicas[0].Name == gone {
				return false
			}
		}
		return true
	})
	for i := range 500 {
		c.writers[0].put(1<<40|uint64(i+1), event.Medium, fmt.Sprintf("t/%d", i%11), []byte("payload"))
	}
	c.writers[0].commit()
	c.agree(500, stay...)
}
