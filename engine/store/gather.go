package store

import (
	"fmt"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// batch is the memory of one group: records as they will lie on the disk, and
// room for the trailer behind them. It belongs to the gatherer, then, once
// offered, to the committer.
type batch struct {
	buf         []byte
	used        int
	records     int
	first, last uint64
	_           cpu.Pad // the other batch is the other thread's
}

// newBatch has room for n bytes of records and the trailer.
func newBatch(n int) batch { return batch{buf: make([]byte, n+trailerSize)} }

// take copies a record in, which takes size bytes with its padding.
func (b *batch) take(record []byte, seq uint64, size int) {
	if b.records == 0 {
		b.first = seq
	}
	b.records++
	b.last = seq
	to := b.buf[b.used : b.used+size]
	le.PutUint64(to[size-align:], 0) // the padding; what is no padding is overwritten
	copy(to, record)
	le.PutUint64(to[sequenceAt:], seq) // not into the event first: the copy would wait for that store
	b.used += size
}

// close writes the trailer and is the whole group's bytes. It can be done again.
func (b *batch) close(t trailer, salt uint32) ([]byte, uint32) {
	t.records, t.first, t.last = uint64(b.records), b.first, b.last
	group := b.buf[:b.used+trailerSize]
	t.encode(group[b.used:])
	crc := event.Checksum(salt, group[:len(group)-4])
	le.PutUint32(group[len(group)-4:], crc)
	return group, crc
}

func (b *batch) clear() { b.used, b.records = 0, 0 }

// Append copies the event into the group that gathers, which makes it `stored`,
// and sets its sequence. The event must be sealed. It is false when the group
// is at its cap while the committer still has the one before, and after a
// failure (see Err). It allocates nothing and never waits. The gatherer calls it.
func (l *Log) Append(h *event.Header) (seq uint64, ok bool) {
	b, size := &l.batches[l.gathering], padded(int(h.Length))
	if !l.fits(b, size) {
		if b = l.turn(size); b == nil {
			return 0, false
		}
	}
	h.Sequence = l.take(b, h.Encoded(), size)
	return h.Sequence, true
}

// AppendRecord is Append of a record as a log holds it, of any sequence, without
// its padding.
func (l *Log) AppendRecord(record []byte) (seq uint64, ok bool) {
	b, size := &l.batches[l.gathering], padded(len(record))
	if !l.fits(b, size) {
		if b = l.turn(size); b == nil {
			return 0, false
		}
	}
	return l.take(b, record, size), true
}

// fits reports whether a record of size bytes goes behind those that the batch has.
func (l *Log) fits(b *batch, size int) bool {
	return b.records > 0 && b.records < l.cfg.GroupEvents && b.used+size <= l.cfg.GroupBytes && l.failure.Load() == nil
}

// turn is the batch of a new group: the one that gathers if it is empty, or the
// other one, if the committer is done with it. It is nil if there is none.
func (l *Log) turn(size int) *batch {
	if size > l.env.longest {
		panic(fmt.Sprintf("store: record of %d bytes, the longest is %d", size, MaxRecord))
	}
	if l.failure.Load() != nil || l.batches[l.gathering].records > 0 && !l.Offer() {
		return nil
	}
	return l.begun()
}

// begun is the batch for a new group. While the committer has none it is always
// the first, whose memory is in the cache then: a thread that both gathers and
// commits would else drive one batch out with the other.
func (l *Log) begun() *batch {
	if l.offered.Load() == 0 {
		l.gathering = 0
	}
	return &l.batches[l.gathering]
}

// take copies a record in, under the next sequence.
func (l *Log) take(b *batch, record []byte, size int) (seq uint64) {
	seq = l.next
	l.next++
	b.take(record, seq, size)
	return seq
}

// Offer hands the gathered group to the committer and begins the next, if the
// committer is free and there is anything. The gatherer calls it, once after
// each batch of appends: it also publishes Gathered.
func (l *Log) Offer() bool {
	l.gathered.Store(l.next - 1)
	if l.batches[l.gathering].records == 0 || l.offered.Load() != 0 {
		return false
	}
	l.offered.Store(1 + uint32(l.gathering)) // hands the batch over: who loads it sees its bytes
	l.gathering ^= 1
	return true
}
