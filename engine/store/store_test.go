package store

import (
	"fmt"
	"testing"

	"eventstreamcore/engine/event"
)

// slot is memory for one event.
type slot struct {
	h    event.Header
	data [4096]byte
}

// newEvent fills a slot with an event and seals it.
func newEvent(s *slot, id uint64, topic, payload string) *event.Header {
	s.h = event.Header{Record: event.Record{ID: id, Wall: int64(id) * 1000, Type: event.TypeEvent, Priority: event.High}}
	s.h.Fill([]byte(topic), []byte(payload))
	s.h.Seal()
	return &s.h
}

func TestAppendCommitRead(t *testing.T) {
	for mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			cfg := Default(t.TempDir())
			cfg.SegmentBytes, cfg.Mode = SegmentBytesMin, mode
			const total = 30000
			seq := uint64(0)
			var s slot
			for session := range 3 {
				l, rec, err := Open(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if rec.Last != seq || rec.Torn || rec.Sealed != (session > 0) {
					t.Fatalf("session %d: recovered %+v, want last %d", session, rec, seq)
				}
				for i := range total / 3 {
					h := newEvent(&s, seq+1, fmt.Sprintf("topic/%d", i%7), fmt.Sprintf("payload %d", seq+1))
					got, ok := l.Append(h)
					if !ok || got != seq+1 {
						t.Fatalf("append %d: %d %v", seq+1, got, ok)
					}
					seq++
					if i%100 == 0 {
						l.Offer()
						if _, err := l.Commit(); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				seq++ // the seal
			}
			r, err := NewReader(cfg.Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n := 0
			for e := range r.All() {
				n++
				if want := fmt.Sprintf("payload %d", e.ID); string(e.Payload) != want || e.ID != e.Sequence {
					t.Fatalf("entry %d: %q id %d", e.Sequence, e.Payload, e.ID)
				}
			}
			if n != total || r.Err() != nil {
				t.Fatalf("read %d of %d, err %v", n, total, r.Err())
			}
			rep, err := Verify(cfg.Dir)
			if err != nil || rep.Records != total || rep.Seals != 3 || !rep.Sealed || len(rep.Damages) > 0 {
				t.Fatalf("verify: %+v, %v", rep, err)
			}
			t.Logf("%+v", rep)
		})
	}
}
