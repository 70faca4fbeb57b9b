package store

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"eventstreamcore/engine/event"
)

// The bytes of a segment, all little-endian.
const (
	version    = 1
	headerSize = 4096 // of a segment's head
	headerUsed = 52   // of which are fields, the last of them its checksum
	headerCopy = 2048 // where the fields stand a second time, for repair

	magic = "ESCLOG01"

	align       = 8  // of a record
	sequenceAt  = 8  // in a record
	contentAt   = 16 // in a record, where its content checksum's cover starts
	trailerTail = 32 // behind a trailer's 40 bytes of record header
	trailerSize = event.RecordSize + trailerTail
	groupMin    = event.RecordSize + trailerSize // the shortest group: one empty record

	// quarantined stands where repair took bytes out: a group of one such
	// record, whose trailer names the sequences lost and whose ID is how many
	// bytes to skip behind that trailer.
	quarantined = event.TypeSeal + 1
)

var le = binary.LittleEndian

// padded is n rounded up to a record's alignment.
func padded(n int) int { return (n + align - 1) &^ (align - 1) }

// header is the head of a segment.
type header struct {
	salt    uint32
	log     [16]byte // the log's UUID, the same in all its segments
	first   uint64   // sequence of the first record
	created int64    // ns, CLOCK_REALTIME
}

// encode writes the header twice into b, which is headerSize bytes of zero.
func (h *header) encode(b []byte) {
	for _, at := range []int{0, headerCopy} {
		f := b[at : at+headerUsed]
		copy(f, magic)
		le.PutUint32(f[8:], version)
		le.PutUint32(f[12:], h.salt)
		copy(f[16:], h.log[:])
		le.PutUint64(f[32:], h.first)
		le.PutUint64(f[40:], uint64(h.created))
		le.PutUint32(f[48:], event.Checksum(0, f[:48]))
	}
}

// VersionError says that a newer program wrote the log. The head's first 52
// bytes stay as they are in every version, so that this can always be told.
type VersionError struct {
	Path string
	Got  uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s: written by log version %d, this program reads up to version %d: use a newer esc", e.Path, e.Got, version)
}

// decodeHeader reads a header's fields. It fails with a *VersionError without a
// path, or with an error that says what is wrong.
func decodeHeader(b []byte) (h header, err error) {
	if len(b) < headerUsed {
		return h, fmt.Errorf("header cut off after %d bytes", len(b))
	}
	if got, want := le.Uint32(b[48:]), event.Checksum(0, b[:48]); got != want {
		return h, fmt.Errorf("header checksum is %08x, its bytes give %08x", got, want)
	}
	if string(b[:len(magic)]) != magic {
		return h, fmt.Errorf("magic is %q, not %q", b[:len(magic)], magic)
	}
	if v := le.Uint32(b[8:]); v != version {
		return h, &VersionError{Got: v}
	}
	h = header{salt: le.Uint32(b[12:]), first: le.Uint64(b[32:]), created: int64(le.Uint64(b[40:]))}
	copy(h.log[:], b[16:])
	return h, nil
}

// putRecord writes a record header.
func putRecord(b []byte, r *event.Record) {
	le.PutUint32(b, r.Content)
	le.PutUint32(b[4:], r.Length)
	le.PutUint64(b[8:], r.Sequence)
	le.PutUint64(b[16:], r.ID)
	le.PutUint64(b[24:], uint64(r.Wall))
	b[32], b[33], b[34], b[35] = byte(r.Type), byte(r.Priority), r.Flags, byte(r.Origin)
	le.PutUint16(b[36:], r.TopicLength)
	le.PutUint16(b[38:], r.Reason)
}

// record reads a record header.
func record(b []byte) event.Record {
	_ = b[event.RecordSize-1]
	return event.Record{
		Content: le.Uint32(b), Length: le.Uint32(b[4:]), Sequence: le.Uint64(b[8:]), ID: le.Uint64(b[16:]),
		Wall: int64(le.Uint64(b[24:])), Type: event.Type(b[32]), Priority: event.Priority(b[33]), Flags: b[34],
		Origin: event.Origin(b[35]), TopicLength: le.Uint16(b[36:]), Reason: le.Uint16(b[38:]),
	}
}

// trailer ends a group. Its record header has type 2, the number of records as
// ID, the last sequence as sequence, and no content checksum: the group's own
// covers it.
type trailer struct {
	records     uint64
	written     int64  // ns, CLOCK_REALTIME, never before the trailer ahead of it
	first, last uint64 // sequences of the group
	durable     uint64 // last sequence known to be synced when this was written
	prev        uint32 // crc of the group before, 0 in the log's first
	crc         uint32 // of the group up to here, beginning with the salt
}

// encode writes everything but the crc into b, trailerSize bytes.
func (t *trailer) encode(b []byte) {
	putRecord(b, &event.Record{Length: trailerSize, Sequence: t.last, ID: t.records, Wall: t.written, Type: event.TypeTrailer})
	b = b[event.RecordSize:]
	le.PutUint64(b, t.first)
	le.PutUint64(b[8:], t.last)
	le.PutUint64(b[16:], t.durable)
	le.PutUint32(b[24:], t.prev)
}

func decodeTrailer(b []byte) trailer {
	r := record(b)
	b = b[event.RecordSize:]
	return trailer{
		records: r.ID, written: r.Wall, first: le.Uint64(b), last: le.Uint64(b[8:]), durable: le.Uint64(b[16:]),
		prev: le.Uint32(b[24:]), crc: le.Uint32(b[28:]),
	}
}

// Names in a log's folder.
const (
	segmentSuffix    = ".seg"
	tornSuffix       = ".torn"       // what a crash cut off, saved by recovery
	quarantineSuffix = ".quarantine" // what repair took out
	indexSuffix      = ".idx"
	partSuffix       = ".part"      // a small file being written
	spareName        = "spare.next" // a segment made ready, without a place yet
	newName          = "new.next"   // one being made
	lockName         = "lock"
)

// segmentName is the file of the segment whose first sequence is given.
func segmentName(first uint64) string { return numbered(first) + segmentSuffix }

func numbered(n uint64) string { return fmt.Sprintf("%020d", n) }

// segmentFirst is the inverse of segmentName.
func segmentFirst(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil
}
