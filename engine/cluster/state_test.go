package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// within is a node's own client.
func within(n *Node) *Client { return &Client{conn: n.conn, js: n.js} }

// TestState: SET takes a revision, DEDUP tells one of many that it is the first,
// and again once its time is over.
func TestState(t *testing.T) {
	n := alone(t, t.TempDir(), Source{})
	<-n.Joined()
	c, ctx := within(n), context.Background()
	const key = "any text: ü/*>"
	first, err := c.Set(ctx, key, []byte("one"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(ctx, key, []byte("two"), 0); err != ErrChanged {
		t.Errorf("set as new what is there: %v", err)
	}
	if _, err := c.Set(ctx, key, []byte("two"), first); err != nil {
		t.Errorf("set at its revision: %v", err)
	}
	if v, revision, err := c.Get(ctx, key); string(v) != "two" || revision <= first || err != nil {
		t.Errorf("got %q at %d after %d, %v", v, revision, first, err)
	}
	firsts := make(chan bool, 8)
	for range cap(firsts) {
		go func() {
			ok, err := c.Dedup(ctx, "job", time.Second)
			if err != nil {
				t.Error(err)
			}
			firsts <- ok
		}()
	}
	won := 0
	for range cap(firsts) {
		if <-firsts {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d were told that they are the first", won, cap(firsts))
	}
	eventually(t, "the key is forgotten", func() bool {
		ok, err := c.Dedup(ctx, "job", time.Second)
		return ok && err == nil
	})
}

// filled is a node with events in its partitions.
func filled(t *testing.T, events int) (n *Node, w *writer) {
	t.Helper()
	dir := t.TempDir()
	w = newWriter(t, filepath.Join(dir, "events"))
	for i := range events {
		w.put(1<<40|uint64(i+1), event.Medium, fmt.Sprintf("t/%d", i%7), []byte("payload"))
	}
	w.commit()
	n = alone(t, dir, w.source(filepath.Join(dir, "events")))
	<-n.Joined()
	holds(t, n, events)
	return n, w
}

func holds(t *testing.T, n *Node, events int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events are in the replicas", events), func() bool {
		var has uint64
		for _, p := range n.parts {
			has += p.replica.standing().index
		}
		return has == uint64(events)
	})
}

// spoil changes a byte in the middle of what a log holds.
func spoil(t *testing.T, dir string) {
	t.Helper()
	rewrite(t, dir, func(b []byte) { b[slices.Index(b[8192:], 'p')+8192] ^= 1 }) // of a payload
}

// rewrite changes the bytes of the first segment of a log.
func rewrite(t *testing.T, dir string, change func([]byte)) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments in %s: %v", dir, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	if err := os.WriteFile(segments[0], b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedReplicaIsNotServed: one that is damaged while it is read from, and
// one that is damaged while the node is down, are made anew from the stream.
func TestDamagedReplicaIsNotServed(t *testing.T) {
	const events = 3000
	n, _ := filled(t, events)
	r := n.parts[0].replica
	had := r.standing()
	spoil(t, r.dir)
	var err error
	for from := uint64(1); err == nil && from <= had.index; from++ {
		_, err = r.read(nil, from, 1)
	}
	if err != errBusy {
		t.Fatalf("all of a damaged replica was served: %v", err)
	}
	repaired := func(n *Node, repairs int) {
		t.Helper()
		r := n.parts[0].replica
		eventually(t, "the replica is made anew", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.repairs >= repairs && r.state == Following && r.tail.index == had.index
		})
		if at := r.standing(); at.chain != had.chain {
			t.Errorf("repaired: chain %08x, was %08x", at.chain, had.chain)
		}
		eventually(t, "all of it is served again", func() bool {
			from := uint64(1)
			for {
				b, err := r.read(nil, from, readSize)
				if err != nil || len(b) == 0 {
					return err == nil && from == had.index+1
				}
				for ; len(b) > 0; from++ {
					size, err := new(store.Entry).Decode(b)
					if err != nil {
						t.Fatal(err)
					}
					b = b[size:]
				}
			}
		})
	}
	repaired(n, 1)
	cfg := n.cfg
	n.Close()
	spoil(t, r.dir)
	n = started(t, cfg)
	<-n.Joined()
	repaired(n, 0) // or, if nothing behind it vouched for it, cut off there and filled up again
}

// TestForgedReplicaIsFound: records whose own checksums are right, in a log
// whose checksums are right, and that the stream does not have.
func TestForgedReplicaIsFound(t *testing.T) {
	n, _ := filled(t, 3000)
	cfg, r := n.cfg, n.parts[1].replica
	had := r.standing()
	n.Close()
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	logCfg := store.Default(r.dir)
	logCfg.Unsealed = true
	log, _, err := store.Open(logCfg)
	if err != nil {
		t.Fatal(err)
	}
	forger := &writer{t: t, log: log, slot: make([]uint64, 1<<10)}
	for i := range had.index - 10 {
		forger.put(2<<40|i, event.Medium, "t/forged", []byte("payload"))
	}
	forger.commit()
	log.Close()
	n = started(t, cfg)
	<-n.Joined()
	r = n.parts[1].replica
	eventually(t, "the replica is made anew", func() bool {
		at := r.standing()
		return at.index == had.index && at.chain == had.chain
	})
	if r.repairs != 1 {
		t.Errorf("%d repairs, want 1", r.repairs)
	}
}

// TestLateOwnerIsFencedOff: what an owner publishes after another has begun is
// refused, whatever it believes.
func TestLateOwnerIsFencedOff(t *testing.T) {
	n, _ := filled(t, 100)
	ctx := context.Background()
	l := n.parts[0].lead
	late := newLead("n1", 0, n.js, l.stream, n.parts[0].replica, l.ring, n.cfg.Logger)
	late.epoch = l.epoch
	if err := late.find(ctx); err != nil {
		t.Fatal(err)
	}
	epoch := late.epoch + 7
	l.assign(&epoch) // the successor: it fences
	eventually(t, "the successor leads", func() bool {
		at := n.parts[0].replica.standing()
		return at.epoch == epoch
	})
	g := late.next(group{origin: 99, last: 5})
	_, err := late.js.PublishMsg(ctx, late.message(&g, g.encode()))
	if err == nil {
		t.Fatal("the late owner's group was stored")
	}
	if err := late.find(ctx); err != errDeposed {
		t.Errorf("the late owner looks again and finds %v", err)
	}
}

// TestNothingTwice: the same transaction by two nodes is stored once, a group
// that is sent again not at all, and one that came too early is asked for again.
func TestNothingTwice(t *testing.T) {
	n, _ := filled(t, 700)
	send := func(b group) verdict {
		t.Helper()
		verdicts := make(chan verdict, 1)
		for !n.parts[0].lead.offer(offer{b, func(v verdict) { verdicts <- v }}) {
			time.Sleep(time.Millisecond)
		}
		select {
		case v := <-verdicts:
			return v
		case <-time.After(patience):
			t.Fatal("a batch was never answered")
			return 0
		}
	}
	before := n.parts[0].replica.standing()
	var twice group
	for _, e := range content(t, n)[0][:50] {
		twice.records, _ = e.AppendBinary(twice.records)
		twice.count++
		twice.last = e.Sequence
	}
	twice.origin = 42
	if v := send(twice); v != settled {
		t.Fatalf("the same ids from another node: %c", v)
	}
	if v := send(twice); v != settled {
		t.Errorf("a batch that was sent again: %c", v)
	}
	early := twice
	early.prev, early.last = twice.last+10, twice.last+20
	if v := send(early); v != again {
		t.Errorf("a batch before its time: %c", v)
	}
	eventually(t, "the mark is in the stream", func() bool { return n.parts[0].replica.standing().marks.of(42) == twice.last })
	if at := n.parts[0].replica.standing(); at.index != before.index {
		t.Errorf("%d records, before %d", at.index, before.index)
	}
}

// TestVoidMessagesCountForNobody: what rests on no message that counts, though
// the stream took it, is passed over by replicas and by the next owner.
func TestVoidMessagesCountForNobody(t *testing.T) {
	n, _ := filled(t, 200)
	ctx, r, l := context.Background(), n.parts[0].replica, n.parts[0].lead
	before := r.standing()
	stale := group{epoch: before.epoch, index: before.index + 65, before: 7, after: 7, origin: n.id, prev: 1 << 30, last: 1 << 31}
	if _, err := n.js.PublishMsg(ctx, l.message(&stale, stale.encode())); err != nil {
		t.Fatal(err)
	}
	l.ring(before.stream + 1)
	eventually(t, "the replica is past it", func() bool { return r.standing().stream == before.stream+1 })
	if at := r.standing(); at.index != before.index || at.chain != before.chain || at.marks.of(n.id) != before.marks.of(n.id) {
		t.Errorf("a void message moved the replica from %+v to %+v", before, at)
	}
	cfg := n.cfg
	n.Close()
	n = started(t, cfg)
	<-n.Joined()
	eventually(t, "its log is followed from where it counts", func() bool { return n.Replicated() >= 200 })
	if at := n.parts[0].replica.standing(); at.index != before.index || n.parts[0].replica.repairs != 0 {
		t.Errorf("after a restart %d records, were %d, %d repairs", at.index, before.index, n.parts[0].replica.repairs)
	}
}
