package cluster

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/event"
)

// trimmed has the owner of each partition trim its stream to next to nothing.
func (c *trio) trimmed(nodes ...*Node) {
	c.t.Helper()
	for p := range nodes[0].parts {
		seen := make([]looks, len(nodes))
		eventually(c.t, fmt.Sprintf("the stream of partition %d begins later", p), func() bool {
			for i, n := range nodes {
				if err := n.trim(context.Background(), p, 1, &seen[i]); err != nil {
					c.t.Logf("partition %d is not trimmed: %v", p, err)
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

// TestStreamBeginsWithWhatCounts: of the messages that count some are remembered,
// few of many, and the last of them that may be the first is taken.
func TestStreamBeginsWithWhatCounts(t *testing.T) {
	var r rests
	for at := range uint64(10 * restsMax) {
		r = r.note(3 * at)
		r = r.note(3 * at) // seen again
	}
	if len(r) > restsMax || len(r) < restsMax/4 {
		t.Errorf("%d messages are remembered, of %d at most", len(r), restsMax)
	}
	for _, to := range []uint64{0, 1, r[0], r[0] + 1, r[len(r)-1], 1 << 40} {
		var want uint64
		for _, at := range r {
			if at%3 != 0 {
				t.Fatalf("%d counts for nobody", at)
			}
			if at <= to {
				want = at
			}
		}
		if got := r.upTo(to); got != want {
			t.Errorf("up to %d it is %d, want %d", to, got, want)
		}
	}
}

// TestStreamWithoutRoomIsTrimmed: who remembers no message that is old enough waits
// for more to come, but not until nothing can; and nothing goes that not all had.
func TestStreamWithoutRoomIsTrimmed(t *testing.T) {
	for _, c := range []struct {
		what        string
		bytes, had  uint64
		rests       rests
		first, want uint64
	}{
		{"some are old enough", 300, 400, rests{120, 240, 260, 399}, 101, 260},
		{"they had not all of it", 300, 130, rests{120, 240}, 101, 120},
		{"none is, and there is room", 199, 299, rests{298}, 101, 0},
		{"none is, and there is none", 300, 400, rests{399}, 101, 399},
		{"and they had not even that", 300, 398, rests{399}, 101, 0},
		{"what is remembered is gone", 300, 400, rests{50, 100}, 101, 0},
	} {
		has := &jetstream.StreamState{FirstSeq: c.first, LastSeq: c.first + c.bytes - 1, Msgs: c.bytes, Bytes: c.bytes}
		if got := c.rests.beginning(has, 100, c.had); got != c.want {
			t.Errorf("%s: it begins with %d, want %d", c.what, got, c.want)
		}
	}
}
