package cluster

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// TestPlaceIsNeverAheadOfTheDisk: what is written down is what a power cut
// leaves of the log, though the replica has more.
func TestPlaceIsNeverAheadOfTheDisk(t *testing.T) {
	r := newReplica(0, t.TempDir(), nil, nil, quiet(t))
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	defer func() { r.log.Close() }()
	if err := r.put(t.Context(), &landing{1, numbered(t, 1, 5)}); err != nil {
		t.Fatal(err)
	}
	r.noted = time.Time{}
	if err := r.commit(); err != nil {
		t.Fatal(err)
	}
	if r.standing().index != 5 || r.recall().index != 0 {
		t.Errorf("of %d records that may not be on the disk, %d are written down", r.standing().index, r.recall().index)
	}
	eventually(t, "the log is synced", func() bool { return r.log.Durable() == 5 })
	r.noted = time.Time{}
	r.reach(r.end)
	if at := r.recall(); at.index != 5 || at.chain != r.end.chain || at.stream != 1 || at.counts != 1 {
		t.Errorf("synced and not written down: %+v", at)
	}
}

// numbered is a group of n events from an index on, behind nothing.
func numbered(t *testing.T, index uint64, n int) group {
	t.Helper()
	g := group{epoch: 1, index: index, origin: 7, last: uint64(n), marks: marks{{7, uint64(n)}}}
	for i := range n {
		e := store.Entry{Record: event.Record{Sequence: index + uint64(i), ID: 1<<40 | (index + uint64(i)), Type: event.TypeEvent, Priority: event.High, TopicLength: 1, Length: event.RecordSize + 1}, Topic: []byte("t")}
		g.extend(&e)
	}
	return g
}

// TestPowerCutTakesTheReplicasEnd: what was not synced is had from the stream,
// wherever the place says that the replica was; nothing is made anew.
func TestPowerCutTakesTheReplicasEnd(t *testing.T) {
	n, w := filled(t, 2000)
	for i := range 1000 { // groups of their own, in the log's later half
		w.put(2<<40|uint64(i+1), event.Medium, fmt.Sprintf("t/%d", i%7), []byte("a payload that is longer"))
	}
	w.commit()
	holds(t, n, 3000)
	cfg, r := n.cfg, n.parts[0].replica
	had := r.standing()
	for _, lost := range []string{"place ahead of the log", "no place"} {
		n.Close()
		blankFromMiddle(t, r.dir)
		if lost == "no place" {
			os.Remove(r.dir + placeSuffix)
		}
		n = started(t, cfg)
		<-n.Joined()
		r = n.parts[0].replica
		eventually(t, "the replicas are served: "+lost, func() bool {
			return serves(n) && r.standing().index == had.index
		})
		if at := r.standing(); at.chain != had.chain || r.repairs != 0 {
			t.Errorf("%s: chain %08x, was %08x; %d repairs, want none", lost, at.chain, had.chain, r.repairs)
		}
		if got := len(content(t, n)[0]); got != int(had.index) {
			t.Errorf("%s: %d of %d records are served", lost, got, had.index)
		}
	}
}

// serves reports whether all replicas of a node may be read.
func serves(n *Node) bool {
	for _, p := range n.parts {
		if _, err := p.replica.read(nil, 1, 1); err != nil {
			return false
		}
	}
	return true
}

// blankFromMiddle takes the later half of what a log of one segment holds: zeros
// are where nothing has reached the disk.
func blankFromMiddle(t *testing.T, dir string) {
	t.Helper()
	rewrite(t, dir, func(b []byte) { clear(b[len(bytes.TrimRight(b, "\x00"))/2:]) })
}
