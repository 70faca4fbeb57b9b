package store

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// slot is memory for one event.
type slot struct {
	h event.Header
	_ [4096]byte // topic and body
}

// newEvent fills a slot with an event and seals it.
func newEvent(s *slot, id uint64, topic, payload string) *event.Header {
	s.h = event.Header{Record: event.Record{ID: id, Wall: int64(id) * 1000, Type: event.TypeEvent, Priority: event.High}}
	s.h.Fill([]byte(topic), []byte(payload))
	s.h.Seal()
	return &s.h
}

func checksumOf(b []byte) uint32 { return event.Checksum(0, b) }

func TestAppendCommitRead(t *testing.T) {
	for mode := range modes + 1 { // the last is group, past the page cache
		t.Run(mode.String(), func(t *testing.T) {
			cfg := Default(t.TempDir())
			cfg.SegmentBytes, cfg.Mode, cfg.Direct = SegmentBytesMin, mode%modes, mode == modes
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

func TestValidate(t *testing.T) {
	if err := Default("x").Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"no folder":         func(c *Config) { c.Dir = "" },
		"segment size":      func(c *Config) { c.SegmentBytes = 1000 },
		"mode 9":            func(c *Config) { c.Mode = 9 },
		"interval":          func(c *Config) { c.Interval = 0 },
		"events in a group": func(c *Config) { c.GroupEvents = 0 },
		"bytes in a group":  func(c *Config) { c.GroupBytes = 1 << 30 },
		"retained":          func(c *Config) { c.RetainBytes = -1 },
		"scrub":             func(c *Config) { c.ScrubRate = -1 },
	} {
		c := Default("x")
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestModes: the numbers are those of the answers on the wire.
func TestModes(t *testing.T) {
	for m, w := range map[Mode]wire.Mode{Group: wire.ModeGroup, Interval: wire.ModeInterval, OS: wire.ModeOS} {
		if wire.Mode(m) != w {
			t.Errorf("%v is %d, on the wire %d", m, m, w)
		}
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	if _, err := ParseMode("never"); err == nil {
		t.Error("never is a mode")
	}
}

// TestNoAllocations: neither appending nor committing allocates, rolls aside.
func TestNoAllocations(t *testing.T) {
	for mode := range modes {
		cfg := Default(t.TempDir())
		cfg.Mode = mode
		l, _, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		h := newBenchEvent(128)
		n := testing.AllocsPerRun(200, func() {
			for range 64 {
				l.Append(h)
			}
			l.Offer()
			if _, err := l.Commit(); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("mode %v: %v allocations a group", mode, n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCaps: a group takes its cap and no more until the committer frees the
// one before; a record longer than the cap is a group of its own.
func TestCaps(t *testing.T) {
	cfg := Default(t.TempDir())
	cfg.SegmentBytes, cfg.GroupEvents, cfg.GroupBytes = SegmentBytesMin, 10, groupBytesMin
	l, _, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	takes := func(h *event.Header) (n int) {
		for _, ok := l.Append(h); ok; _, ok = l.Append(h) {
			n++
		}
		return n
	}
	commit := func() {
		if _, err := l.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if n := takes(newBenchEvent(128)); n != 20 {
		t.Errorf("took %d events, want two groups of 10", n)
	}
	commit()
	if n := takes(newBenchEvent(1900)); n != 2 {
		t.Errorf("took %d events of 2000 bytes, want one group of two", n)
	}
	big := bigEvent(wire.MaxBody, 100)
	for commit(); ; commit() {
		if _, ok := l.Append(big); ok {
			break
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, longest := 0, 0
	for e := range r.All() {
		n++
		longest = max(longest, len(e.Payload))
	}
	if n != 23 || longest != wire.MaxBody || r.Err() != nil {
		t.Errorf("read %d events, the longest of %d bytes, %v", n, longest, r.Err())
	}
}

// bigEvent is an event with a long body.
func bigEvent(payload, topic int) *event.Header {
	memory := make([]uint64, event.SizeOf(topic, payload)/8+1)
	h := (*event.Header)(unsafe.Pointer(&memory[0]))
	h.Record = event.Record{ID: 1, Type: event.TypeEvent}
	h.Fill(make([]byte, topic), make([]byte, payload))
	h.Seal()
	return h
}
