package cluster

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// trio is three nodes on loopback, each with a log of its own.
type trio struct {
	t       *testing.T
	cfgs    [3]Config
	nodes   [3]*Node
	writers [3]*writer
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	dir := t.TempDir()
	c := &trio{t: t}
	var peers []Peer
	at := freeAddresses(t, 2*len(c.cfgs))
	for i := range c.cfgs {
		peers = append(peers, Peer{fmt.Sprintf("n%d", i+1), at[2*i]})
	}
	certs := filepath.Join(dir, "certs")
	if err := MakeCerts(certs, peers); err != nil {
		t.Fatal(err)
	}
	for i, p := range peers {
		own := filepath.Join(dir, p.Name)
		cfg := Default(p.Name, own)
		cfg.Peers, cfg.Certs, cfg.Client = peers, certs, at[2*i+1]
		cfg.Logger, cfg.Lease, cfg.Partitions = quiet(t).With("node", p.Name), 2*time.Second, 2
		c.writers[i] = newWriter(t, filepath.Join(own, "events"))
		cfg.Source = c.writers[i].source(filepath.Join(own, "events"))
		c.cfgs[i] = cfg
		c.nodes[i] = started(t, cfg)
	}
	for _, n := range c.nodes {
		joined(t, n)
	}
	return c
}

// joined waits until a node takes part: before that it has no partitions to look at.
func joined(t *testing.T, n *Node) {
	t.Helper()
	select {
	case <-n.Joined():
	case <-time.After(patience):
		t.Fatalf("%s did not join", n.cfg.Name)
	}
}

// agree waits until the nodes given hold so many records, and the same.
func (c *trio) agree(records int, nodes ...*Node) {
	c.t.Helper()
	for _, n := range nodes {
		<-n.Joined() // before that it has no replicas
	}
	eventually(c.t, fmt.Sprintf("replicas hold %d records", records), func() bool {
		for _, n := range nodes {
			var has uint64
			for p := range n.parts {
				has += n.parts[p].replica.standing().index
			}
			if has != uint64(records) {
				return false
			}
		}
		return true
	})
	for _, n := range nodes[1:] {
		for p := range n.parts {
			a, b := n.parts[p].replica.standing(), nodes[0].parts[p].replica.standing()
			if a.chain != b.chain || a.index != b.index {
				c.t.Errorf("partition %d: %s has %d records and chain %08x, %s %d and %08x", p, n.cfg.Name, a.index, a.chain, nodes[0].cfg.Name, b.index, b.chain)
			}
		}
	}
}

// TestThreeNodes: events that come in on each node are on all of them, once and
// in the order of the log that they came from; who leaves hands over, and who
// comes back catches up.
func TestThreeNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take seconds")
	}
	c := newTrio(t)
	total := 0
	fill := func(i, events int) {
		for range events {
			total++
			c.writers[i].put(uint64(i+1)<<40|uint64(total), event.Medium, fmt.Sprintf("t/%d", total%11), []byte("payload"))
		}
		c.writers[i].commit()
	}
	for i := range c.nodes {
		fill(i, 1500)
	}
	c.agree(total, c.nodes[:]...)
	for i, n := range c.nodes {
		eventually(t, "replicated", func() bool { return n.Replicated() == c.writers[i].log.Durable() })
	}

	c.nodes[0].Close()
	fill(0, 700) // stays there, for the time being
	stays := 700
	fill(1, 800)
	c.agree(total-stays, c.nodes[1:]...)

	c.nodes[0] = started(t, c.cfgs[0])
	joined(t, c.nodes[0])
	c.agree(total, c.nodes[:]...)
	for p, part := range content(t, c.nodes[0]) {
		last := map[uint64]uint64{}
		for i, e := range part {
			if producer := e.ID >> 40; e.ID <= last[producer] || e.Sequence != uint64(i+1) {
				t.Fatalf("partition %d, place %d: %x after %x", p, i, e.ID, last[producer])
			} else {
				last[producer] = e.ID
			}
		}
	}
}
