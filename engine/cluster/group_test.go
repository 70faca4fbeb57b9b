package cluster

import (
	"bytes"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// sample is a group of two small records.
func sample(t *testing.T) group {
	t.Helper()
	g := group{epoch: 3, index: 41, before: 0xCAFE, origin: 7, prev: 100, last: 110, marks: marks{{7, 110}, {9, 4}}}
	g.after = g.before
	for i := range 2 {
		e := store.Entry{Record: event.Record{Sequence: uint64(41 + i), ID: 1<<40 | uint64(i), Wall: 1_700_000_000_000_000_000, Type: event.TypeEvent, Priority: event.High, TopicLength: 1}, Topic: []byte("t"), Payload: []byte{byte(i)}}
		e.Length = event.RecordSize + 2
		g.extend(&e)
	}
	return g
}

// extend adds a record, as the chain goes on with it.
func (g *group) extend(e *store.Entry) {
	b, _ := e.AppendBinary(nil)
	e.Content = event.Checksum(0, b[16:e.Length])
	g.records, _ = e.AppendBinary(g.records)
	g.after = link(g.after, e.Content)
	g.count++
}

// golden is sample's bytes: a change of one is a new version.
const golden = "4553434752503031d2f9f8280200000003000000000000002900000000000000feca00002a0d68d8070000000000000064000000000000006e00000000000000020000000000000007000000000000006e00000000000000" +
	"09000000000000000400000000000000db4b77712a0000002900000000000000000000000001000000002a36fe9c971701030000010000007400000000000000d74cb2ae2a0000002a000000000000000100000000010000" +
	"00002a36fe9c971701030000010000007401000000000000"

func TestGroupIsGolden(t *testing.T) {
	g := sample(t)
	if got := hex.EncodeToString(g.encode()); got != golden {
		t.Errorf("\n%s\nwant\n%s", got, golden)
	}
}

func TestGroupReadsBack(t *testing.T) {
	g := sample(t)
	b := g.encode()
	back, err := decodeGroup(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.encode(), b) {
		t.Errorf("%+v reads back as %+v", g, back)
	}
	chain, n := back.before, 0
	if err := back.each(func(e *store.Entry, _ []byte) error {
		chain = link(chain, e.Content)
		n++
		return nil
	}); err != nil || chain != g.after || n != 2 {
		t.Errorf("%d records, chain %08x, want %08x, %v", n, chain, g.after, err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 4
		if _, err := decodeGroup(bad); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		if _, err := decodeGroup(b[:i]); err == nil {
			t.Errorf("cut off after %d bytes: accepted", i)
		}
	}
	g.count = 3
	back, _ = decodeGroup(g.encode())
	if err := back.each(func(*store.Entry, []byte) error { return nil }); err == nil {
		t.Error("a group with fewer records than it says: accepted")
	}
}

// FuzzDecodeGroup: whatever the bytes, a group within them or an error.
func FuzzDecodeGroup(f *testing.F) {
	b, _ := hex.DecodeString(golden)
	for n := 0; n <= len(b); n += 7 {
		f.Add(b[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for range 2 { // as it is, and with its checksum put right
			if g, err := decodeGroup(b); err == nil {
				g.each(func(*store.Entry, []byte) error { return nil })
			}
			if len(b) >= groupHead {
				b = bytes.Clone(b)
				le.PutUint32(b[8:], event.Checksum(0, b[12:]))
			}
		}
	})
}

// TestChainIgnoresGrouping: it depends on the records and their order alone.
func TestChainIgnoresGrouping(t *testing.T) {
	forward, backward := uint32(0), uint32(0)
	for i := range uint32(10) {
		forward, backward = link(forward, i), link(backward, 9-i)
	}
	if forward == backward || link(0, 0) == 0 {
		t.Errorf("order does not show: %08x and %08x", forward, backward)
	}
}

// TestPartitionsAreSpread, and the same for ever: streams rest on it.
func TestPartitionsAreSpread(t *testing.T) {
	for topic, want := range map[string]int{"": 1, "a": 0, "orders/eu": 1} {
		if got := partitionOf([]byte(topic), 4); got != want {
			t.Errorf("topic %q is in partition %d, was in %d", topic, got, want)
		}
	}
	var held [8]int
	for i := range 8000 {
		held[partitionOf([]byte{'t', byte(i), byte(i >> 8)}, len(held))]++
	}
	for p, n := range held {
		if n < 800 || n > 1200 {
			t.Errorf("partition %d has %d topics of 8000", p, n)
		}
	}
}

// TestEngineDoesWithoutNATS: who does not cluster does not link it.
func TestEngineDoesWithoutNATS(t *testing.T) {
	for path, want := range map[string]bool{"eventstreamcore/engine": false, "eventstreamcore/engine/admin": false, "eventstreamcore/engine/cluster": true} {
		deps, err := exec.Command("go", "list", "-deps", path).Output()
		if err != nil {
			t.Skipf("go list: %v", err)
		}
		if got := strings.Contains(string(deps), "github.com/nats-io/"); got != want {
			t.Errorf("%s links nats: %v, want %v", path, got, want)
		}
	}
}

// TestWhatAGroupRestsOn: on a place, a chain, an epoch and how far every node's log
// was: two groups without records leave the same chain, and are not the same.
func TestWhatAGroupRestsOn(t *testing.T) {
	at := tail{stream: 9, epoch: 3, index: 40, chain: 5, marks: marks{{7, 100}, {9, 4}}}
	for _, c := range []struct {
		what string
		make func(g *group)
		want bool
	}{
		{"what comes next", func(*group) {}, true},
		{"of a later epoch", func(g *group) { g.epoch = 4 }, true},
		{"of a node that was not there", func(g *group) { g.origin, g.prev, g.last, g.marks = 8, 0, 2, append(at.marks, mark{8, 2}) }, true},
		{"of an owner", func(g *group) { *g = group{epoch: 3, index: 41, before: 5, after: 5, marks: at.marks} }, true},
		{"of an earlier epoch", func(g *group) { g.epoch = 2 }, false},
		{"behind another record", func(g *group) { g.index = 42 }, false},
		{"behind another chain", func(g *group) { g.before = 6 }, false},
		{"behind more of its node's log", func(g *group) { g.prev = 101 }, false},
		{"behind more of another node's log", func(g *group) { g.marks = marks{{7, 110}, {9, 5}} }, false},
		{"behind a node's log that is not there", func(g *group) { g.marks = marks{{7, 110}, {9, 4}, {8, 1}} }, false},
		{"of an owner, behind more of a log", func(g *group) { *g = group{epoch: 3, index: 41, before: 5, after: 5, marks: marks{{7, 100}, {9, 5}}} }, false},
	} {
		g := group{epoch: 3, index: 41, before: 5, after: 8, origin: 7, prev: 100, last: 110, marks: marks{{7, 110}, {9, 4}}}
		if c.make(&g); at.goesOn(&g) != c.want {
			t.Errorf("%s: it goes on: %v", c.what, !c.want)
		}
	}
}
