package store

import (
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// benchLog is a log in mode os on a tmpfs, if there is one.
func benchLog(b *testing.B, mode Mode) *Log {
	cfg := Default(b.TempDir())
	cfg.Mode, cfg.RetainBytes = mode, 256<<20
	l, _, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

// newBenchEvent is an event whose record takes size bytes.
func newBenchEvent(size int) *event.Header {
	s := new(slot)
	s.h = event.Header{Record: event.Record{ID: 1, Wall: time.Now().UnixNano(), Type: event.TypeEvent}}
	s.h.Fill([]byte("bench"), make([]byte, size-event.RecordSize-5))
	s.h.Seal()
	return &s.h
}

// BenchmarkAppend is a buffered append of a 128-byte record: its checksum, the
// copy, and its share of the group's checksum and of the write.
func BenchmarkAppend(b *testing.B) {
	for _, sealed := range []bool{true, false} {
		name := "sealing"
		if sealed {
			name = "sealed"
		}
		b.Run(name, func(b *testing.B) {
			l := benchLog(b, OS)
			h := newBenchEvent(128)
			b.SetBytes(128)
			n := 0
			for b.Loop() {
				if !sealed {
					h.Seal()
				}
				if _, ok := l.Append(h); !ok {
					b.Fatal("full")
				}
				if n++; n%64 == 0 {
					l.Offer()
					if _, err := l.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
