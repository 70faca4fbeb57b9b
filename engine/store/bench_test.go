package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// newBenchEvent is an event of size bytes, topic and body, in memory of its own.
func newBenchEvent(size int) *event.Header {
	h := bigEvent(size-5, 5)
	h.Wall = time.Now().UnixNano()
	h.Seal()
	return h
}

// BenchmarkAppend is a buffered append of an event of 128 bytes, sealed in
// batches as ingest seals, with its share of the group's checksum and of the
// write into the page cache: on a tmpfs, if TMPDIR is on one. BenchmarkAppendFloor
// is what no log can do without: the copy, both checksums, the bare write.
func BenchmarkAppend(b *testing.B) {
	const warm = 1 << 20 // events: then segments are recycled
	for _, group := range []int{128, 256, 512, 1024} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			cfg := Default(b.TempDir())
			cfg.Mode, cfg.RetainBytes = OS, 128<<20
			l, _, err := Open(cfg)
			if err != nil {
				b.Fatal(err)
			}
			events := benchBatch()
			for n := -warm; n < b.N; n += group {
				if n == 0 {
					b.ResetTimer()
				}
				for range group / len(events) {
					event.Seal(events)
					for _, h := range events {
						l.Append(h)
					}
				}
				l.Offer()
				if _, err := l.Commit(); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func benchBatch() []*event.Header {
	events := make([]*event.Header, 64)
	for i := range events {
		events[i] = newBenchEvent(128)
	}
	return events
}

func BenchmarkAppendFloor(b *testing.B) {
	const group = 1024
	events, buf := benchBatch(), make([]byte, group*(event.RecordSize+128))
	for name, run := range map[string]func(){
		"copy": func() {
			at := 0
			for range group / len(events) {
				for _, h := range events {
					at += copy(buf[at:], h.Encoded())
				}
			}
		},
		"seal": func() {
			for range group / len(events) {
				event.Seal(events)
			}
		},
		"group-checksum": func() { event.Checksum(0, buf) },
		"write":          writeAround(b, buf),
	} {
		b.Run(name, func(b *testing.B) {
			for n := 0; n < b.N; n += group {
				run()
			}
		})
	}
}

// writeAround writes buf into a file of 256 MiB, piece after piece, around and around.
func writeAround(b *testing.B, buf []byte) func() {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	const size = 256 << 20
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:], at); err != nil {
			b.Fatal(err)
		}
	}
	at := int64(0)
	return func() {
		if at+int64(len(buf)) > size {
			at = 0
		}
		f.WriteAt(buf, at)
		at += int64(len(buf))
	}
}
