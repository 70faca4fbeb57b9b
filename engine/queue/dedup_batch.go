package queue

import (
	"unsafe"

	"eventstreamcore/engine/cpu"
)

// prefetchAhead is how many lines are asked for before the first is needed: a
// core keeps 10 to 16 misses under way.
const prefetchAhead = 16

// ClaimBatch is Claim for each of the ids, with their lines fetched sixteen at a
// time. It pays where the table exceeds the caches: the misses overlap.
func (d *Dedup) ClaimBatch(ids []uint64, outcomes []Outcome) { d.putBatch(ids, outcomes, claimed) }

// InsertBatch is to Insert what ClaimBatch is to Claim.
func (d *Dedup) InsertBatch(ids []uint64, outcomes []Outcome) { d.putBatch(ids, outcomes, committed) }

func (d *Dedup) putBatch(ids []uint64, outcomes []Outcome, state uint64) {
	outcomes = outcomes[:len(ids)]
	var mixed [prefetchAhead]uint64
	for len(ids) > 0 {
		batch := d.fetch(&mixed, ids)
		for i, m := range batch {
			outcomes[i] = d.put(m, state)
		}
		ids, outcomes = ids[len(batch):], outcomes[len(batch):]
	}
}

// fetch mixes the first ids, as many as mixed has room for, and asks for their
// lines.
func (d *Dedup) fetch(mixed *[prefetchAhead]uint64, ids []uint64) []uint64 {
	batch := mixed[:min(len(ids), len(mixed))]
	for i, id := range ids[:len(batch)] {
		m := mix(id)
		cpu.Prefetch(unsafe.Pointer(d.line(m)))
		batch[i] = m
	}
	return batch
}
