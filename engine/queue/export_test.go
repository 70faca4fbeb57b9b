package queue

import (
	"unsafe"

	"eventstreamcore/engine/cpu"
)

// alignedWords is heap memory that starts on a cache line.
func alignedWords(n int) []uint64 {
	words := make([]uint64, n+lineWords)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(words))) % cpu.CacheLine / 8
	return words[skip:][:n:n]
}

// startAt moves an unused ring to a position: tests start short of the
// wrap-around of the counters, which no test could reach otherwise.
func (q *SPSC) startAt(p uint64) {
	q.tail.Store(p)
	q.head.Store(p)
	q.headSeen, q.tailSeen = p, p
}

func (q *MPSC) startAt(p uint64) {
	q.tail.Store(p)
	q.headSeen.Store(p)
	q.head.Store(p)
	q.next = p
	for i := p; i != p+q.mask+1; i++ {
		q.word(i).Store(q.filled(i, 0) ^ lapBit)
	}
}

// nearWrap is 500 short of the last position.
const nearWrap = ^uint64(0) - 500

func (d *Dedup) startAt(generation uint64) {
	d.keepTime(generation)
	d.keeper.began, d.keeper.settled = generation, generation
}

// idsOfLines are ids that have their places in the first lines of the table, per
// of them in each.
func (d *Dedup) idsOfLines(lines, per int) (ids []uint64) {
	found := make([]int, lines)
	for id := uint64(0); len(ids) < lines*per; id++ {
		if n := mix(id) >> d.shift; n < uint64(lines) && found[n] < per {
			found[n]++
			ids = append(ids, id)
		}
	}
	return ids
}
