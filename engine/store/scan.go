package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"eventstreamcore/engine/event"
)

const (
	readAhead = 256 << 10 // what a scanner asks of the disk once it goes through a file
	readFirst = 16 << 10  // and what after a refresh: who follows a log asks often, for little
	blankStep = 512       // zeros in a row that are worth skipping
	groupMax  = groupBytesMax + MaxRecord + trailerSize
)

// scanner reads groups out of one segment. It keeps no position: its caller
// says where to look.
type scanner struct {
	f     file
	size  int64
	salt  uint32
	trust bool // takes checksums as right: only the tests of the tests set it

	ahead int    // how much to read at least, beyond what is held
	buf   []byte // the file from base on
	base  int64
	floor int64 // nothing before it will be asked for again
}

// span is one whole group: it stood the checks. Its bytes are the records and
// the trailer, a view that dies with the scanner's next call.
type span struct {
	trailer
	at, end int64 // end is where the next group begins
	kind    event.Type
	bytes   []byte
}

// Why the bytes at an offset are no whole group.
var (
	errBlank    = errors.New("nothing written")
	errCutOff   = errors.New("cut off by the end of the file")
	errRecord   = errors.New("no record header")
	errOrder    = errors.New("sequence does not continue within the group")
	errTrailer  = errors.New("trailer does not match its records")
	errChecksum = errors.New("group checksum does not match")
)

func newScanner(f file, salt uint32) (*scanner, error) {
	s := &scanner{f: f, salt: salt}
	return s, s.refresh()
}

// refresh forgets what was read: the file may have been written since.
func (s *scanner) refresh() (err error) {
	s.buf, s.ahead = s.buf[:0], readFirst
	s.size, err = s.f.Size()
	return err
}

// window is the file from at on: n bytes or more, fewer only at its end.
func (s *scanner) window(at int64, n int) ([]byte, error) {
	held := s.base + int64(len(s.buf))
	if at >= s.base && held >= min(at+int64(n), s.size) {
		return s.buf[min(at, held)-s.base:], nil
	} else if at < s.base || at > held {
		s.base, s.buf, held = at, s.buf[:0], at
	}
	if drop := min(s.floor, at) - s.base; drop > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[drop:])]
		s.base += drop
	}
	had := len(s.buf)
	want := int(max(min(max(at+int64(n), held+int64(s.ahead)), s.size)-s.base, int64(had)))
	s.ahead = min(2*s.ahead, readAhead)
	s.buf = slices.Grow(s.buf, want-had)[:want]
	got, err := s.f.ReadAt(s.buf[had:], s.base+int64(had))
	s.buf = s.buf[:had+got]
	if err == io.EOF { // it shrank: what is gone is cut off
		err = nil
		s.size = s.base + int64(len(s.buf))
	}
	if err != nil {
		return nil, fmt.Errorf("reading at offset %d: %w", at, err)
	}
	return s.buf[min(at-s.base, int64(len(s.buf))):], nil
}

// plausible reports whether r may be the header of a record other than a trailer.
func plausible(r *event.Record) bool {
	switch r.Type {
	case event.TypeEvent, event.TypeDeadLetter, event.TypeSeal, quarantined:
	default:
		return false
	}
	return r.Length >= event.RecordSize && r.Length <= MaxRecord &&
		int(r.TopicLength) <= int(r.Length)-event.RecordSize && r.Sequence != 0
}

// closes reports whether r may be the header of a trailer.
func closes(r *event.Record) bool { return r.Type == event.TypeTrailer && r.Length == trailerSize }

// group reads the group at an offset. bad says why there is none; err is the
// disk's own failure.
func (s *scanner) group(at int64) (g span, bad, err error) {
	s.floor = at
	n, records, bad, err := s.walk(at)
	if bad != nil || err != nil {
		return g, bad, err
	}
	b, err := s.window(at, n)
	if err != nil || len(b) < n {
		return g, errCutOff, err
	}
	b = b[:n]
	first := record(b)
	g = span{trailer: decodeTrailer(b[n-trailerSize:]), at: at, end: at + int64(n), kind: first.Type, bytes: b}
	if g.records != records || g.first != first.Sequence || g.last < g.first {
		return g, errTrailer, nil
	}
	if event.Checksum(s.salt, b[:n-4]) != g.crc && !s.trust {
		return g, errChecksum, nil
	}
	if g.kind == quarantined && first.ID <= uint64(s.size) {
		g.end += int64(first.ID)
	} else if g.last-g.first+1 != records {
		return g, errTrailer, nil
	}
	return g, nil, nil
}

// walk follows the record headers from at to the trailer that closes them: n
// bytes with it, in records.
func (s *scanner) walk(at int64) (n int, records uint64, bad, err error) {
	var first uint64
	for {
		b, err := s.window(at, n+trailerSize)
		if err != nil || len(b) < n+event.RecordSize {
			return 0, 0, errCutOff, err
		}
		r := record(b[n:])
		if r.Type == event.TypeTrailer && records > 0 {
			if !closes(&r) || len(b) < n+trailerSize {
				return 0, 0, errTrailer, nil
			}
			return n + trailerSize, records, nil, nil
		}
		if records == 0 {
			if r == (event.Record{}) {
				return 0, 0, errBlank, nil
			}
			first = r.Sequence
		}
		if !plausible(&r) || n > groupMax {
			return 0, 0, errRecord, nil
		}
		if r.Sequence != first+records {
			return 0, 0, errOrder, nil
		}
		n += padded(int(r.Length))
		records++
	}
}

// zeros is what segments are filled with; blankPiece of it are compared at a time.
var zeros [zeroPiece]byte

const blankPiece = 4 << 10

// firstBad is where in the group at an offset, which should begin with sequence
// first, the first bad byte lies, as far as checksums tell: the first record that
// is not sound, else the trailer.
func (s *scanner) firstBad(at int64, first uint64) (int64, error) {
	s.floor = at
	b, err := s.window(at, groupMax)
	return at + int64(soundBytes(b, first)), err
}

// soundBytes is how much of b is whole records, in order from sequence next on,
// whose contents hold.
func soundBytes(b []byte, next uint64) (n int) {
	for ; len(b)-n >= event.RecordSize; next++ {
		r := record(b[n:])
		if !plausible(&r) || r.Sequence != next || int(r.Length) > len(b)-n {
			return n
		}
		if event.Checksum(0, b[n+contentAt:n+int(r.Length)]) != r.Content {
			return n
		}
		n = min(n+padded(int(r.Length)), len(b))
	}
	return n
}

// blankUntil is the first word from an offset on that does not read as zero, or
// the file's end.
func (s *scanner) blankUntil(at int64) (int64, error) {
	for at < s.size {
		s.floor = at
		b, err := s.window(at, blankPiece)
		if err != nil {
			return 0, err
		}
		b = b[:min(len(b), blankPiece)]
		if !bytes.Equal(b, zeros[:len(b)]) {
			for i := range b {
				if b[i] != 0 {
					return at + int64(i)&^(align-1), nil
				}
			}
		}
		at += int64(len(b))
	}
	return s.size, nil
}

// places calls visit for each place from an offset on that could be a record's
// or a trailer's header; b is the file from there on. It ends when visit is
// false, or the file does.
func (s *scanner) places(from int64, visit func(at int64, r *event.Record, b []byte) bool) error {
	for {
		at, err := s.blankUntil(from)
		if err != nil || at >= s.size {
			return err
		}
		b, err := s.window(at, blankStep+trailerSize)
		if err != nil {
			return err
		}
		for i := 0; i < blankStep && i+event.RecordSize <= len(b); i += align {
			if b[i+32]-1 >= byte(quarantined) || le.Uint32(b[i+4:]) < event.RecordSize { // no type, or no length: most often
				continue
			}
			r := record(b[i:])
			if (plausible(&r) || closes(&r)) && !visit(at+int64(i), &r, b[i:]) {
				return nil
			}
		}
		from = at + blankStep
	}
}

// search finds the first whole group from an offset on that begins with
// sequence min or a later one. It tries every place where a record could be,
// in one pass: record headers are noted as they come by, and a trailer is held
// against those that could have begun its group.
func (s *scanner) search(from int64, min uint64) (g span, found bool, err error) {
	begun := map[uint64][]int64{} // by sequence, where a record of it may be
	for from < s.size {
		var starts []int64
		next := s.size
		err := s.places(from, func(at int64, r *event.Record, b []byte) bool {
			switch {
			case r.Sequence < min:
			case r.Type != event.TypeTrailer:
				begun[r.Sequence] = append(begun[r.Sequence], at)
			case len(b) >= trailerSize:
				starts, next = begun[decodeTrailer(b).first], at+align
			}
			return len(starts) == 0
		})
		if err != nil {
			return g, false, err
		}
		for _, start := range starts {
			g, bad, err := s.group(start)
			if err != nil || bad == nil {
				return g, bad == nil, err
			}
		}
		from = next
	}
	return g, false, nil
}

// remains is where the traces of an unfinished write end, looking from an
// offset on, or 0: zeros leave none, nor do the records of a recycled segment's
// former life, whose sequences all lie before next.
func (s *scanner) remains(from int64, next uint64) (end int64, err error) {
	const horizon = 1 << 32 // sequences that one crash could cut off
	stale := false
	err = s.places(from, func(at int64, r *event.Record, _ []byte) bool {
		if r.Sequence < next {
			stale = true
		} else if r.Sequence-next < horizon {
			end = max(end, min(at+int64(padded(int(r.Length))), s.size))
		}
		return true
	})
	if end == 0 && !stale && err == nil {
		return s.lastWritten(from)
	}
	return end, err
}

// lastWritten is where the last word that is not zero ends, from an offset on,
// or 0.
func (s *scanner) lastWritten(from int64) (end int64, err error) {
	for {
		at, err := s.blankUntil(from)
		if err != nil || at >= s.size {
			return end, err
		}
		from = at + align
		end = min(from, s.size)
	}
}
