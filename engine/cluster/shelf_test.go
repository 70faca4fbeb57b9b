package cluster

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestShelfHasTheStream: what is read in the process is what the server answers
// with, byte for byte, and ends where the stream does, at both ends.
func TestShelfHasTheStream(t *testing.T) {
	n, w := filled(t, 3000)
	w.put(1<<40|3001, 2, "t/0", []byte("one more message, so that there are two"))
	w.commit()
	holds(t, n, 3001)
	feed, stream := n.parts[partitionOf([]byte("t/0"), len(n.parts))].replica.feed, n.parts[partitionOf([]byte("t/0"), len(n.parts))].lead.stream
	var answered [][]byte
	end, err := feed.request(t.Context(), 1, func(at uint64, data []byte) error {
		answered = append(answered, bytes.Clone(data))
		return nil
	})
	if err != nil || end < 2 {
		t.Fatalf("the server answers with messages up to %d, %v", end, err)
	}
	next := uint64(1)
	last, err := feed.shelf.read(1, func(at uint64, data []byte) error {
		if at != next || !bytes.Equal(data, answered[at-1]) {
			t.Errorf("message %d where %d was expected, of %d bytes", at, next, len(data))
		}
		next++
		return nil
	})
	if last != end || err != nil {
		t.Errorf("the shelf ends with message %d, %v; the stream with %d", last, err, end)
	}
	if kept := reflect.ValueOf(feed.shelf.(*shelf).store).Elem().FieldByName("fcfg").FieldByName("CacheExpire").Int(); time.Duration(kept) != shelfKeeps {
		t.Errorf("the server keeps what was read for %v, not %v", time.Duration(kept), shelfKeeps)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(2)); err != nil {
		t.Fatal(err)
	}
	for _, from := range []uint64{1, end + 1} {
		if last, err := feed.shelf.read(from, func(at uint64, _ []byte) error { t.Errorf("message %d is still there", at); return nil }); last != 0 || err != nil {
			t.Errorf("from %d: read up to %d, %v", from, last, err)
		}
	}
	if last, err := feed.read(t.Context(), 1, func(uint64, []byte) error { return nil }); last != end || err != nil {
		t.Errorf("what the shelf has not is asked for: read up to %d, %v; want %d", last, err, end)
	}
}
