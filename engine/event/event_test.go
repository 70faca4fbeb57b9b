package event

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"testing"
	"testing/quick"
	"unsafe"
)

// TestHeaderIsOneLine holds the layout that the log and every slot rest on.
func TestHeaderIsOneLine(t *testing.T) {
	var h Header
	for name, c := range map[string]struct{ got, want uintptr }{
		"Header":      {unsafe.Sizeof(h), HeaderSize},
		"Record":      {unsafe.Sizeof(h.Record), RecordSize},
		"record at":   {unsafe.Offsetof(h.Record), recordAt},
		"Content":     {unsafe.Offsetof(h.Record.Content), 0},
		"Length":      {unsafe.Offsetof(h.Record.Length), 4},
		"Sequence":    {unsafe.Offsetof(h.Record.Sequence), 8},
		"ID":          {unsafe.Offsetof(h.Record.ID), 16},
		"Wall":        {unsafe.Offsetof(h.Record.Wall), 24},
		"Type":        {unsafe.Offsetof(h.Record.Type), 32},
		"Priority":    {unsafe.Offsetof(h.Record.Priority), 33},
		"Flags":       {unsafe.Offsetof(h.Record.Flags), 34},
		"Origin":      {unsafe.Offsetof(h.Record.Origin), 35},
		"TopicLength": {unsafe.Offsetof(h.Record.TopicLength), 36},
		"Reason":      {unsafe.Offsetof(h.Record.Reason), 38},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
}

// slotFor is a header with room behind it.
func slotFor(size int) *Header {
	words := make([]uint64, (size+7)/8)
	return (*Header)(unsafe.Pointer(unsafe.SliceData(words)))
}

// TestEncodedIsTheRecord builds the record by hand, byte for byte.
func TestEncodedIsTheRecord(t *testing.T) {
	h := slotFor(SizeOf(3, 5))
	h.ID, h.Wall, h.Type, h.Priority, h.Flags, h.Origin, h.Reason = 0x0102030405060708, 1_700_000_000_123_456_789, TypeEvent, Critical, 1, FromUDP, 7
	h.Fill([]byte("a/b"), []byte("hello"))
	h.Sequence = 42
	h.Seal()
	rest := binary.LittleEndian.AppendUint64(nil, 0x0102030405060708)
	rest = binary.LittleEndian.AppendUint64(rest, 1_700_000_000_123_456_789)
	rest = append(rest, 1, 4, 1, 1, 3, 0, 7, 0)
	rest = append(rest, "a/bhello"...)
	want := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(rest, crc32.MakeTable(crc32.Castagnoli)))
	want = binary.LittleEndian.AppendUint32(want, uint32(RecordSize+8))
	want = binary.LittleEndian.AppendUint64(want, 42)
	want = append(want, rest...)
	if got := h.Encoded(); !bytes.Equal(got, want) {
		t.Errorf("\n%s\nwant\n%s", hex.Dump(got), hex.Dump(want))
	}
	if string(h.Topic()) != "a/b" || string(h.Payload()) != "hello" {
		t.Errorf("topic %q payload %q", h.Topic(), h.Payload())
	}
}

// TestTheContentDoesNotDependOnTheLog: sequence, and whatever stands in the
// slot's own part, leave the checksum alone; every covered byte changes it.
func TestTheContentDoesNotDependOnTheLog(t *testing.T) {
	h := slotFor(SizeOf(1, 1))
	h.Fill([]byte("t"), []byte("p"))
	h.Seal()
	before := h.Content
	h.Sequence, h.Intended, h.Received, h.Left, h.Answer = 9, 9, 9, 9, 9
	if h.Seal(); h.Content != before {
		t.Error("the content checksum covers what is not content")
	}
	covered := h.slot(recordAt + h.Length)[contentAt:]
	for i := range covered {
		covered[i] ^= 0x10
		if i < 20 || i > 21 { // not the topic's length: it says where the topic ends
			if h.Seal(); h.Content == before {
				t.Errorf("byte %d is not covered", i)
			}
		}
		covered[i] ^= 0x10
	}
}

func TestPrioritiesAndLanes(t *testing.T) {
	for p, want := range map[Priority]Lane{Batch: LaneBatch, Low: LaneBatch, Medium: LaneTransactional, High: LaneRealtime, Critical: LaneRealtime} {
		if got := p.Lane(); got != want {
			t.Errorf("%v goes to %v, want %v", p, got, want)
		}
		if back, err := ParsePriority(p.String()); back != p || err != nil {
			t.Errorf("%v reads back as %v, %v", p, back, err)
		}
	}
	if _, err := ParsePriority("URGENT"); err == nil {
		t.Error("URGENT is a priority")
	}
}

func TestRefKeepsItsFields(t *testing.T) {
	hold := func(line uint32, pool, class, priority uint8, handed uint16) bool {
		pool, class, p := pool%MaxPools, class%MaxClasses, Priority(priority%Priorities)
		r := NewRef(line, pool, class)
		for range handed % 300 {
			r = r.Next()
		}
		r = r.WithPriority(Critical).WithPriority(p)
		return r.Line() == line && r.Pool() == pool && r.Class() == class && r.Priority() == p &&
			r.Generation() == handed%300 && r>>RefBits == 0 && r.Next().Priority() == Batch
	}
	if err := quick.Check(hold, nil); err != nil {
		t.Error(err)
	}
}

func TestGenerationWrapsWithinItsField(t *testing.T) {
	r := NewRef(7, 3, 1)
	start := r
	for range generationMask + 1 {
		r = r.Next()
		if r>>RefBits != 0 {
			t.Fatalf("%v spills into bits that queues use", r)
		}
	}
	if r != start {
		t.Errorf("%v after a whole turn, want %v", r, start)
	}
}

func TestLeaveSaturates(t *testing.T) {
	var h Header
	h.Received = 1000
	if h.Leave(1500); h.LeftAt() != 1500 {
		t.Errorf("left at %d, want 1500", h.LeftAt())
	}
	if h.Leave(1 << 40); h.LeftAt() != 1000+1<<32-1 {
		t.Errorf("left at %d, want the last that fits", h.LeftAt())
	}
}

func TestHotMethodsAllocateNothing(t *testing.T) {
	h := slotFor(256)
	topic, payload := []byte("bench/rt"), make([]byte, 64)
	if n := testing.AllocsPerRun(1000, func() { h.Fill(topic, payload); h.Seal(); h.Leave(5); _ = h.Encoded() }); n != 0 {
		t.Errorf("%v allocations an event, want 0", n)
	}
}

// BenchmarkFillAndSeal is what ingest does with an event of 64 bytes.
func BenchmarkFillAndSeal(b *testing.B) {
	h := slotFor(256)
	topic, payload := []byte("bench/rt"), make([]byte, 64)
	for b.Loop() {
		h.Fill(topic, payload)
		h.Seal()
	}
}
