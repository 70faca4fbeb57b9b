package store

import (
	"errors"
	"fmt"
	"sort"

	"eventstreamcore/engine/event"
)

// An index says of one segment where some of its groups begin, so that seeking
// need not read it from the start. It is a cache, not a part of the format: a
// file NNNNNNNNNNNNNNNNNNNN.idx beside the segment, written when that is full,
// checked before it is believed, and made anew when it is missing or wrong.
//
//	magic "ESCIDX01" · u32 salt of the segment · u32 marks ·
//	marks: u64 sequence · u64 offset · i64 written, ns · u32 crc
const (
	indexMagic = "ESCIDX01"
	indexHead  = 16
	markSize   = 24
	markEvery  = 256 << 10 // bytes from one mark to the next: what a seek reads at most in vain
)

// mark is where a group begins.
type mark struct {
	seq     uint64
	at      int64
	written int64 // ns
}

// marks is an index, ascending in every field.
type marks []mark

// add notes a group, if the last one noted is far enough behind.
func (m *marks) add(seq uint64, at, written int64) {
	if n := len(*m); n == 0 || at-(*m)[n-1].at >= markEvery {
		*m = append(*m, mark{seq, at, written})
	}
}

// marksMax is how many a segment of the given size can have.
func marksMax(size int64) int { return int(size/markEvery) + 1 }

// before is the last mark that is not ahead of what is sought, or the
// segment's begin.
func (m marks) before(ahead func(mark) bool) int64 {
	n := sort.Search(len(m), func(i int) bool { return ahead(m[i]) })
	if n == 0 {
		return headerSize
	}
	return m[n-1].at
}

func indexName(first uint64) string { return numbered(first) + indexSuffix }

func (m marks) encode(salt uint32) []byte {
	b := make([]byte, 0, indexHead+len(m)*markSize+4)
	b = append(b, indexMagic...)
	b = le.AppendUint32(b, salt)
	b = le.AppendUint32(b, uint32(len(m)))
	for _, k := range m {
		b = le.AppendUint64(b, k.seq)
		b = le.AppendUint64(b, uint64(k.at))
		b = le.AppendUint64(b, uint64(k.written))
	}
	return le.AppendUint32(b, event.Checksum(0, b))
}

var errIndex = errors.New("not the index of this segment")

func decodeMarks(b []byte, salt uint32) (m marks, err error) {
	if len(b) < indexHead+4 || string(b[:8]) != indexMagic || le.Uint32(b[8:]) != salt {
		return nil, errIndex
	}
	body := b[:len(b)-4]
	n := int(le.Uint32(b[12:]))
	if len(body) != indexHead+n*markSize || event.Checksum(0, body) != le.Uint32(b[len(body):]) {
		return nil, errIndex
	}
	for at := indexHead; at < len(body); at += markSize {
		m = append(m, mark{le.Uint64(body[at:]), int64(le.Uint64(body[at+8:])), int64(le.Uint64(body[at+16:]))})
	}
	return m, nil
}

// loadMarks reads a segment's index.
func loadMarks(d disk, p *part) (marks, error) {
	b, err := readWhole(d, indexName(p.first))
	if err != nil {
		return nil, err
	}
	return decodeMarks(b, p.salt)
}

// buildMarks reads a segment to make its index.
func buildMarks(d disk, p *part) (m marks, err error) {
	f, err := d.OpenRead(p.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := newScanner(f, p.salt)
	for at := int64(headerSize); err == nil; {
		g, bad, failed := s.group(at)
		if bad != nil || failed != nil {
			return m, failed
		}
		m.add(g.first, at, g.trailer.written)
		at = g.end
	}
	return m, err
}

// reindex makes the index of a segment, if it is missing or wrong.
func (l *Log) reindex(p *part) error {
	if _, err := loadMarks(l.env.disk, p); err == nil {
		return nil
	}
	m, err := buildMarks(l.env.disk, p)
	if err != nil {
		return err
	}
	return l.saveMarks(p.first, p.salt, m)
}

func (l *Log) saveMarks(first uint64, salt uint32, m marks) error {
	if err := writeWhole(l.env.disk, indexName(first), m.encode(salt)); err != nil {
		return fmt.Errorf("index of segment %d: %w", first, err)
	}
	return nil
}
