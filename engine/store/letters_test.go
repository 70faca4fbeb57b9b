package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// bury puts n dead letters into d, numbered from first.
func bury(t *testing.T, d *DeadLetters, first, n int, topic string) (lines string) {
	t.Helper()
	var s slot
	for i := first; i < first+n; i++ {
		s.h = event.Header{Record: event.Record{ID: uint64(i), Wall: int64(i)*1e9 + 5, Type: event.TypeEvent, Priority: event.Low}}
		s.h.Fill([]byte(topic), []byte("lost"))
		if _, ok := d.Bury(&s.h, wire.ReasonQueueFull); !ok {
			t.Fatal("not taken")
		}
		lines += fmt.Sprintf("[%d] DROPPED: id=%d topic=%s priority=1 reason=queue_full\n", i, i, strings.ReplaceAll(topic, "\n", `\n`))
		if i%7 == 0 {
			d.Offer()
			if _, err := d.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lines
}

func viewIs(t *testing.T, dir, want string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, ViewName))
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Fatalf("the view is\n%s\nnot\n%s", b, want)
	}
}

func TestDeadLetters(t *testing.T) {
	cfg := Default(DeadDir(t.TempDir()))
	cfg.SegmentBytes = SegmentBytesMin
	open := func() *DeadLetters {
		d, _, err := OpenDeadLetters(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	want := bury(t, d, 1, 10, "a b")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	viewIs(t, cfg.Dir, want)

	d = open()
	long := strings.Repeat("x", 3000) + "\n[1] DROPPED: id=666"
	want += bury(t, d, 11, 3, long)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	viewIs(t, cfg.Dir, want)

	if err := os.Remove(filepath.Join(cfg.Dir, ViewName)); err != nil { // as lost
		t.Fatal(err)
	}
	d = open()
	viewIs(t, cfg.Dir, want)
	d.view.Close() // as failing from here on
	want += bury(t, d, 14, 20, "later")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	viewIs(t, cfg.Dir, want)

	r, err := NewReader(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for e := range r.All() {
		if n++; e.Type != event.TypeDeadLetter || wire.Reason(e.Reason) != wire.ReasonQueueFull || string(e.Payload) != "lost" {
			t.Fatalf("%+v", e)
		}
	}
	if n != 33 || r.Err() != nil {
		t.Errorf("%d letters, %v", n, r.Err())
	}
}

// TestDeadLettersShrink: the view goes with the segments that retention takes.
func TestDeadLettersShrink(t *testing.T) {
	cfg := Default(DeadDir(t.TempDir()))
	cfg.SegmentBytes, cfg.RetainBytes, cfg.Mode = SegmentBytesMin, 2*SegmentBytesMin, OS
	d, _, err := OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		bury(t, d, 1+i*700, 700, strings.Repeat("t", 300))
	}
	if d.size > d.limit || d.limit > 8*SegmentBytesMin {
		t.Errorf("the view has %d bytes, its limit is %d", d.size, d.limit)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
