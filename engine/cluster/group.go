package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// Limits of a group: the first reached closes it. One longer record makes a
// group of its own.
const (
	groupEvents = 512
	groupBytes  = 64 << 10
)

// group is what travels: some records of one partition, all from one node's
// log. On its way to the partition's owner it carries the sequences of the log
// it came from; the owner numbers its records anew, by their place in the
// partition, and from then on every replica holds them byte for byte.
//
// Its bytes, little-endian:
//
//	 0  magic "ESCGRP01"
//	 8  u32 crc of all that follows
//	12  u32 number of records
//	16  u64 epoch of the owner: the revision under which it took the partition
//	24  u64 index of the first record in the partition, from 1
//	32  u32 chain before the first record, u32 chain behind the last
//	40  u64 origin: whose log the records came from
//	48  u64 its last sequence that the partition had before, u64 that it has now
//	64  u32 number of marks, u32 0
//	72  marks: u64 origin, u64 last sequence of its log in the partition
//	    records: as in the log
//
// The chain is c(n) = CRC-32C of record n's content checksum, continuing from
// c(n-1), with c(0) = 0: whatever the grouping, equal chains mean equal records.
type group struct {
	epoch         uint64
	index         uint64
	before, after uint32
	origin        uint64
	prev, last    uint64
	marks         marks
	count         int
	records       []byte
}

const (
	groupMagic = "ESCGRP01"
	groupHead  = 72
	markSize   = 16
	marksMax   = 1 << 10
)

var le = binary.LittleEndian

var errGroup = errors.New("no group of ours, or a damaged one")

// encode is the group's bytes.
func (g *group) encode() []byte {
	b := append(g.begin(len(g.records)), g.records...)
	g.inscribe(b)
	return b
}

// begin is room for the group's head, and behind it for so many bytes of records.
func (g *group) begin(records int) []byte {
	head := groupHead + len(g.marks)*markSize
	return make([]byte, head, head+records)
}

// inscribe writes the head before the records behind which b ends.
func (g *group) inscribe(b []byte) {
	copy(b, groupMagic)
	le.PutUint32(b[12:], uint32(g.count))
	le.PutUint64(b[16:], g.epoch)
	le.PutUint64(b[24:], g.index)
	le.PutUint32(b[32:], g.before)
	le.PutUint32(b[36:], g.after)
	le.PutUint64(b[40:], g.origin)
	le.PutUint64(b[48:], g.prev)
	le.PutUint64(b[56:], g.last)
	le.PutUint32(b[64:], uint32(len(g.marks)))
	for i, m := range g.marks {
		at := b[groupHead+i*markSize:]
		le.PutUint64(at, m.origin)
		le.PutUint64(at[8:], m.last)
	}
	le.PutUint32(b[8:], event.Checksum(0, b[12:]))
}

// decodeGroup reads a group. Its records are a view of b; each is checked when
// it is read.
func decodeGroup(b []byte) (g group, err error) {
	if len(b) < groupHead || string(b[:8]) != groupMagic || le.Uint32(b[8:]) != event.Checksum(0, b[12:]) {
		return g, errGroup
	}
	g = group{
		count: int(le.Uint32(b[12:])), epoch: le.Uint64(b[16:]), index: le.Uint64(b[24:]),
		before: le.Uint32(b[32:]), after: le.Uint32(b[36:]),
		origin: le.Uint64(b[40:]), prev: le.Uint64(b[48:]), last: le.Uint64(b[56:]),
	}
	n := int(le.Uint32(b[64:]))
	if b = b[groupHead:]; n > marksMax || len(b) < n*markSize {
		return g, errGroup
	}
	for ; n > 0; n-- {
		g.marks = append(g.marks, mark{le.Uint64(b), le.Uint64(b[8:])})
		b = b[markSize:]
	}
	g.records = b
	return g, nil
}

// each calls visit for each record, and with its bytes, until an error. What it
// is called with dies with the next call.
func (g *group) each(visit func(e *store.Entry, encoded []byte) error) error {
	var e store.Entry // one for all: it escapes to visit
	rest, n := g.records, 0
	for ; len(rest) > 0; n++ {
		size, err := e.Decode(rest)
		if err == nil {
			err = visit(&e, rest[:size])
		}
		if err != nil {
			return fmt.Errorf("record %d of a group: %w", n, err)
		}
		rest = rest[size:]
	}
	if n != g.count {
		return fmt.Errorf("group of %d records says that it has %d: %w", n, g.count, errGroup)
	}
	return nil
}

// link is the chain behind a record, by the table: for four bytes a call of the
// CRC instruction's loop takes twice as long, and keeps them on the heap.
func link(chain, content uint32) uint32 {
	c := ^chain ^ content
	for range 4 {
		c = castagnoli[byte(c)] ^ c>>8
	}
	return ^c
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sequenceAt is where a record has its sequence.
const sequenceAt = 8

// renumber gives an encoded record its place in the partition, which no
// checksum of its own covers: the content is the same wherever it lies.
func renumber(encoded []byte, index uint64) { le.PutUint64(encoded[sequenceAt:], index) }

// mark is how far the partition has one node's log.
type mark struct{ origin, last uint64 }

// marks has one for each node whose events the partition holds, in the order in
// which they came first. Nobody changes one in place: it is shared.
type marks []mark

// of is how far the partition has the log of origin; 0 is not at all.
func (m marks) of(origin uint64) uint64 {
	for _, k := range m {
		if k.origin == origin {
			return k.last
		}
	}
	return 0
}

// with is m with the mark of origin set.
func (m marks) with(origin, last uint64) marks {
	n := make(marks, len(m), len(m)+1)
	copy(n, m)
	for i := range n {
		if n[i].origin == origin {
			n[i].last = last
			return n
		}
	}
	return append(n, mark{origin, last})
}

// had is how far the partition had the log of origin before group g.
func (g *group) had(origin uint64) uint64 {
	if g.origin == origin {
		return g.prev
	}
	return g.marks.of(origin)
}

// tail is where a partition's stream ends: all that its next group rests on.
type tail struct {
	stream uint64 // sequence of the last message
	epoch  uint64
	index  uint64 // of the last record
	chain  uint32 // behind it
	marks  marks
	counts uint64 // the last message that did, if one has since the replica knew where it stood
}

// after is the tail behind group g, which is the stream's next message.
func (t tail) after(g *group) tail {
	n := tail{stream: t.stream + 1, epoch: g.epoch, index: t.index + uint64(g.count), chain: g.after, marks: t.marks, counts: t.stream + 1}
	if g.origin != 0 {
		n.marks = t.marks.with(g.origin, g.last)
	}
	return n
}

// goesOn reports whether group g rests on this tail. One that does not is void,
// by the same rule on every node: an owner has several groups under way, and if
// the first of them finds its place taken, by what an earlier one had under way,
// the second may find the very sequence that it expects. Where what took that place
// has the same records, or as few, the chain is the same: then the marks are not.
func (t tail) goesOn(g *group) bool {
	if g.index != t.index+1 || g.before != t.chain || g.epoch < t.epoch || g.origin != 0 && g.prev != t.marks.of(g.origin) {
		return false
	}
	return slices.Equal(t.after(g).marks, g.marks)
}

// partitionOf deals topics out: FNV-1a, which is the same in every version.
func partitionOf(topic []byte, partitions int) int {
	h := uint64(14695981039346656037)
	for _, b := range topic {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return int((h ^ h>>32) % uint64(partitions))
}
