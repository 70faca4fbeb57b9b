package store

import (
	"bytes"
	"testing"

	"eventstreamcore/engine/event"
)

// TestEntryBytesAreTheLogs: an entry's bytes read back, and no other do.
func TestEntryBytesAreTheLogs(t *testing.T) {
	var all []byte
	for n := range 20 {
		e := Entry{Record: event.Record{Sequence: uint64(n), ID: 7, Type: event.TypeEvent, TopicLength: 3}, Topic: []byte("a/b"), Payload: bytes.Repeat([]byte{9}, n)}
		e.Length = uint32(event.RecordSize + len(e.Topic) + len(e.Payload))
		bytesOf, _ := e.AppendBinary(nil)
		e.Content = event.Checksum(0, bytesOf[contentAt:e.Length])
		all, _ = e.AppendBinary(all)
	}
	rest := all
	for n := range 20 {
		var e Entry
		size, err := e.Decode(rest)
		if err != nil || e.Sequence != uint64(n) || len(e.Payload) != n || string(e.Topic) != "a/b" || size%align != 0 {
			t.Fatalf("entry %d: %+v, %d bytes, %v", n, e, size, err)
		}
		rest = rest[size:]
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes left over", len(rest))
	}
	first := all[:48]
	for i := range first {
		for _, bad := range [][]byte{first[:i], flipped(first, i)} {
			covered := i < 8 || i >= contentAt && i < 43
			if _, err := new(Entry).Decode(bad); err == nil && (len(bad) < len(first) || covered) {
				t.Errorf("byte %d cut off or changed: accepted", i)
			}
		}
	}
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x10
	return b
}

// FuzzDecodeEntry: whatever the bytes, there is an entry within them or an error.
func FuzzDecodeEntry(f *testing.F) {
	e := Entry{Record: event.Record{Length: event.RecordSize + 1, TopicLength: 1}, Topic: []byte("t")}
	good, _ := e.AppendBinary(nil)
	for n := range len(good) + 1 {
		f.Add(good[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Entry
		size, err := e.Decode(b)
		if err != nil {
			return
		}
		again, _ := e.AppendBinary(nil)
		if size > len(b) || len(again) != size || !bytes.Equal(again[:e.Length], b[:e.Length]) {
			t.Errorf("%x reads as %+v, which writes as %x", b, e, again)
		}
	})
}
