package store

import (
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plain is a record as the twin reads it.
type plain struct {
	Sequence, ID                  uint64
	Wall                          int64
	Type, Priority, Flags, Source uint8
	Reason                        uint16
	Topic, Payload                string
}

// twin reads a segment straight from the text of FORMATS.md, with nothing of
// the package's own: every offset is a number here.
func twin(b []byte) (records []plain) {
	u16, u32, u64 := binary.LittleEndian.Uint16, binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	table := crc32.MakeTable(crc32.Castagnoli)
	if len(b) < 4096 || string(b[:8]) != "ESCLOG01" || u32(b[8:]) != 1 || u32(b[48:]) != crc32.Checksum(b[:48], table) {
		return nil
	}
	salt, next, prev := u32(b[12:]), u64(b[32:]), uint32(0)
	for at := 4096; ; {
		var group []plain
		start := at
		for at+40 <= len(b) && (b[at+32] == 1 || b[at+32] == 3 || b[at+32] == 4) {
			n, topic := int(u32(b[at+4:])), int(u16(b[at+36:]))
			if n < 40+topic || n > len(b)-at || u64(b[at+8:]) != next+uint64(len(group)) {
				return records
			}
			if crc32.Checksum(b[at+16:at+n], table) != u32(b[at:]) {
				return records
			}
			group = append(group, plain{
				u64(b[at+8:]), u64(b[at+16:]), int64(u64(b[at+24:])), b[at+32], b[at+33], b[at+34], b[at+35],
				u16(b[at+38:]), string(b[at+40 : at+40+topic]), string(b[at+40+topic : at+n]),
			})
			at += (n + 7) / 8 * 8
		}
		if len(group) == 0 || at+72 > len(b) || b[at+32] != 2 || u64(b[at+16:]) != uint64(len(group)) {
			return records
		}
		if u64(b[at+40:]) != next || u64(b[at+48:]) != next+uint64(len(group))-1 || prev != 0 && u32(b[at+64:]) != prev {
			return records
		}
		if prev = u32(b[at+68:]); crc32.Update(salt, table, b[start:at+68]) != prev {
			return records
		}
		records = append(records, group...)
		next += uint64(len(group))
		at += 72
	}
}

// golden is the log of testdata: a little of everything.
func golden(t *testing.T) *rig {
	r := newRig(Group, 1)
	if _, err := r.open(); err != nil {
		t.Fatal(err)
	}
	for i, e := range []struct {
		record         event.Record
		topic, payload string
	}{
		{event.Record{ID: 1, Wall: 1_700_000_000_000_000_001, Type: event.TypeEvent, Priority: event.Critical}, "plant/1/alarm", "fire"},
		{event.Record{ID: 7<<40 | 2, Wall: 1_700_000_000_000_000_002, Type: event.TypeEvent, Origin: event.FromUDP, Flags: 3}, "t", ""},
		{event.Record{ID: 3, Wall: 1_700_000_000_000_000_003, Type: event.TypeDeadLetter, Priority: event.Low, Origin: event.FromPlugin, Reason: uint16(wire.ReasonBackpressure)}, "plant/ü", "\x00\xff\x01"},
		{event.Record{ID: 4, Wall: 1_700_000_001_000_000_004, Type: event.TypeEvent, Priority: event.Medium}, "line\nbreak", `{"temperature": 21.5}`},
	} {
		var s slot
		s.h.Record = e.record
		s.h.Fill([]byte(e.topic), []byte(e.payload))
		s.h.Seal()
		r.log.Append(&s.h)
		if i != 0 {
			if err := r.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// sameAsFile compares with a file of testdata, or writes it.
func sameAsFile(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs; a byte changed is a new version (-want +got):\n%s", path, diff)
	}
}

// TestGolden holds the writer's bytes against a committed file, and the reader
// against the twin's reading of it.
func TestGolden(t *testing.T) {
	r := golden(t)
	name := segmentName(1)
	sameAsFile(t, name, r.disk.names[name].data)
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	records := twin(file)
	if n := len(records); n != 5 || records[n-1].Type != byte(event.TypeSeal) {
		t.Fatalf("the twin reads %+v", records)
	}
	var got []plain
	rd := newReader(diskOf(map[string][]byte{name: file}))
	if err := rd.SeekSequence(0); err != nil {
		t.Fatal(err)
	}
	for e := range rd.All() {
		got = append(got, plain{e.Sequence, e.ID, e.Wall, byte(e.Type), byte(e.Priority), e.Flags, byte(e.Origin), e.Reason, string(e.Topic), string(e.Payload)})
	}
	if diff := cmp.Diff(records[:4], got); diff != "" || rd.Err() != nil {
		t.Errorf("err %v (-twin +reader):\n%s", rd.Err(), diff)
	}
}

// FuzzSegment reads any bytes as a segment: as the twin does, and without harm
// to anything else that reads.
func FuzzSegment(f *testing.F) {
	seed, err := os.ReadFile(filepath.Join("testdata", segmentName(1)))
	if err != nil {
		f.Fatal(err)
	}
	seed = seed[:4800] // what is written, and some zeros
	f.Add(seed, uint16(0), byte(0))
	for at := 4096; at < 4700; at += 13 {
		f.Add(seed, uint16(at), byte(1<<(at%8)))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, x byte) {
		if len(b) > 1<<16 {
			return
		}
		b = append([]byte(nil), b...)
		if int(at) < len(b) {
			b[at] ^= x
		}
		name := segmentName(1)
		if len(b) > 40 {
			name = segmentName(binary.LittleEndian.Uint64(b[32:]))
		}
		d := diskOf(map[string][]byte{name: b})
		want := 0
		for _, r := range twin(b) {
			if r.Type != byte(event.TypeSeal) {
				want++
			}
		}
		rd := newReader(d)
		got := 0
		if rd.SeekSequence(0) == nil {
			for rd.Next() {
				got++
			}
		}
		if got < want {
			t.Errorf("the reader gets %d records, the twin %d; then %v", got, want, rd.Err())
		}
		stat(d)
		verify(d)
		repair(d, 1)
	})
}
