package cluster

import (
	"fmt"
	"path/filepath"
	"testing"

	"eventstreamcore/engine/event"
)

// TestOneNodeAlone replicates to itself, over restarts, each event once.
func TestOneNodeAlone(t *testing.T) {
	dir := t.TempDir()
	events := filepath.Join(dir, "events")
	w := newWriter(t, events)
	written := uint64(0)
	for round := range 3 {
		n := alone(t, dir, w.source(events))
		for range 2000 {
			written++
			w.put(1<<40|written, event.High, fmt.Sprintf("t/%d", written%7), []byte("payload"))
		}
		w.commit()
		eventually(t, "all is replicated", func() bool { return n.Replicated() == written })
		seen := map[uint64]int{}
		eventually(t, "the replicas have it all", func() bool {
			var has uint64
			for _, p := range n.parts {
				has += p.replica.standing().index
			}
			return has == written
		})
		for p, part := range content(t, n) {
			var last uint64
			for i, e := range part {
				if e.Sequence != uint64(i+1) || e.ID <= last || partitionOf(e.Topic, 2) != p {
					t.Fatalf("round %d, partition %d, place %d: %+v", round, p, i, e.Record)
				}
				last = e.ID
				seen[e.ID]++
			}
		}
		if uint64(len(seen)) != written {
			t.Errorf("round %d: %d events in the replicas, want %d", round, len(seen), written)
		}
		n.Close()
	}
}
