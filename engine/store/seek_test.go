package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// seekLog is a log of several segments on a real disk, event i received at
// second i, and its folder. A second passes from event to event.
func seekLog(t *testing.T, n int) (dir string, d disk) {
	t.Helper()
	dir = t.TempDir()
	d, err := openFolder(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default(dir)
	cfg.SegmentBytes = SegmentBytesMin
	env := realSurroundings(d)
	env.alone = true // the time is this test's alone
	now := int64(0)
	env.wall = func() int64 { return now * 1e9 }
	l, _, err := open(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	var s slot
	for i := range n {
		now = int64(i + 1)
		s.h = event.Header{Record: event.Record{ID: uint64(now), Wall: now * 1e9, Type: event.TypeEvent}}
		s.h.Fill([]byte("topic/"+string(rune('a'+i%3))), make([]byte, 1000+i%1000))
		s.h.Seal()
		l.Append(&s.h)
		if l.Offer(); i%5 == 0 {
			if _, err := l.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, d
}

// seeks checks n random seeks, by sequence and by time, in a seekLog of events.
func seeks(t *testing.T, dir string, n int, events uint64) {
	t.Helper()
	r, err := NewReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range n {
		want := 1 + rand.Uint64N(events)
		if err := r.SeekSequence(want); err != nil {
			t.Fatal(err)
		}
		if !r.Next() || r.Entry().Sequence != want {
			t.Fatalf("sought sequence %d, found %d, %v", want, r.Entry().Sequence, r.Err())
		}
		if err := r.SeekTime(int64(want) * 1e9); err != nil {
			t.Fatal(err)
		}
		if !r.Next() || r.Entry().ID != want {
			t.Fatalf("sought second %d, found %d, %v", want, r.Entry().ID, r.Err())
		}
		r.Since = 0
		if r.Reached() < want || r.Reached() > events {
			t.Fatalf("at sequence %d the reader has reached %d", want, r.Reached())
		}
	}
	for r.Next() {
	}
	if r.Reached() != events+1 { // the seal
		t.Errorf("the reader has reached %d of %d", r.Reached(), events+1)
	}
}

// TestSeek seeks everywhere, with indexes that are right, missing, damaged, and
// those of other segments.
func TestSeek(t *testing.T) {
	const n = 4000
	dir, d := seekLog(t, n)
	parts, err := listParts(d)
	if err != nil || len(parts) < 4 {
		t.Fatal(len(parts), err)
	}
	parts = parts[:len(parts)-1] // the last has none
	seeks(t, dir, 40, n)
	for i, p := range parts {
		m, err := loadMarks(d, &p)
		if err != nil || len(m) < 3 {
			t.Errorf("segment %d has the index %v, %v", i, m, err)
		}
	}
	good, err := readWhole(d, indexName(parts[0].first))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(i int, b []byte) []byte{
		"damaged":   func(_ int, b []byte) []byte { b[30] ^= 1; return b },
		"another's": func(int, []byte) []byte { return good },
		"empty":     func(int, []byte) []byte { return nil },
		"lying": func(i int, _ []byte) []byte {
			m := marks{{1, headerSize, 0}, {2, headerSize + 8, 1}, {3, 1 << 19, 2}, {1 << 40, 1 << 18, 1 << 50}}
			return m.encode(parts[i].salt)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, p := range parts {
				b, err := readWhole(d, indexName(p.first))
				if err == nil {
					err = writeWhole(d, indexName(p.first), change(i, b))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			seeks(t, dir, 40, n)
		})
	}
}

// TestReindex: indexes that are missing or wrong are made again beside the writer.
func TestReindex(t *testing.T) {
	dir, d := seekLog(t, 4000)
	parts, err := listParts(d)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts[:len(parts)-1] {
		err := d.Remove(indexName(p.first))
		if i%2 == 0 && err == nil {
			err = writeWhole(d, indexName(p.first), marks{}.encode(p.salt+1))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	seeks(t, dir, 40, 4000)
	l, _, err := Open(Default(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	missing := func(p part) bool { _, err := loadMarks(d, &p); return err != nil }
	for range 1000 {
		if !slices.ContainsFunc(parts[:len(parts)-1], missing) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("missing indexes were not made again")
}

func TestReaderFilters(t *testing.T) {
	dir, _ := seekLog(t, 300)
	r, err := NewReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Match = func(topic []byte) bool { return strings.HasSuffix(string(topic), "/b") }
	if err := r.SeekTime(100e9); err != nil {
		t.Fatal(err)
	}
	n := 0
	for e := range r.All() {
		n++
		if string(e.Topic) != "topic/b" || e.Wall < 100e9 {
			t.Fatalf("%s at %d", e.Topic, e.Wall)
		}
	}
	if n != 67 {
		t.Errorf("%d entries of topic/b from second 100 on, want 67", n)
	}
}

// TestFollow reads a log while it is written, over many rolls, and then while
// retention takes it away behind the reader.
func TestFollow(t *testing.T) {
	cfg := killConfig(t.TempDir(), Interval)
	cfg.RetainBytes = 0
	l, _, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const n = 12_000
	written := make(chan error)
	go func() {
		w := filler{l: l}
		for l.next <= n {
			if err := w.try(); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	r, err := NewReader(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := errors.New("done")
	last := uint64(0)
	err = r.Follow(ctx, time.Millisecond, func(e *Entry) error {
		if e.Sequence != last+1 {
			return fmt.Errorf("sequence %d after %d", e.Sequence, last)
		}
		if last = e.Sequence; last == n {
			return done
		}
		return nil
	})
	if err != done {
		t.Errorf("following ended at %d with %v", last, err)
	}
	if report, err := Verify(cfg.Dir); err != nil || report.Corrupt() != nil || !report.Live {
		t.Errorf("verify of the live log: %+v, %v", report, err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyLive verifies again and again beside a writer whose retention takes
// segments away: it never sees damage.
func TestVerifyLive(t *testing.T) {
	for mode := range modes {
		cfg := killConfig(t.TempDir(), mode)
		l, _, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		stop, written := make(chan bool), make(chan error)
		go func() {
			w := filler{l: l}
			for {
				select {
				case <-stop:
					written <- nil
					return
				default:
				}
				if err := w.try(); err != nil {
					written <- err
					return
				}
			}
		}()
		for range 20 {
			if report, err := Verify(cfg.Dir); err != nil || report.Corrupt() != nil {
				t.Errorf("mode %v: %+v, %v", mode, report, err)
			}
			if _, err := ReadStat(cfg.Dir); err != nil {
				t.Errorf("mode %v: stat: %v", mode, err)
			}
		}
		close(stop)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// countedFile counts how often it is read.
type countedFile struct {
	file
	reads int
}

func (f *countedFile) ReadAt(b []byte, at int64) (int, error) {
	f.reads++
	return f.file.ReadAt(b, at)
}

// TestLargeGroupIsReadInFewCalls: what a scanner reads ahead counts from where it
// ended, so that a group longer than that is not read record by record.
func TestLargeGroupIsReadInFewCalls(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(Default(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var s slot
	s.h = event.Header{Record: event.Record{ID: 1, Type: event.TypeEvent}}
	s.h.Fill([]byte("topic"), make([]byte, 100))
	s.h.Seal()
	bytes := 0
	for size := padded(int(s.h.Length)); bytes+size <= l.cfg.GroupBytes && bytes/size < l.cfg.GroupEvents; bytes += size {
		l.Append(&s.h)
	}
	l.Offer()
	if _, err := l.Commit(); err != nil {
		t.Fatal(err)
	}
	f := &countedFile{file: l.segment.file}
	sc, err := newScanner(f, l.segment.salt)
	if err != nil {
		t.Fatal(err)
	}
	if _, bad, err := sc.group(headerSize); bad != nil || err != nil {
		t.Fatal(bad, err)
	}
	if most := 5 + bytes/readAhead; f.reads > most { // 16, 32, 64, 128 KiB, and then 256 at a time
		t.Errorf("a group of %d bytes was read in %d calls, %d at most were wanted", bytes, f.reads, most)
	}
}
