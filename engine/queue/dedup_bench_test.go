package queue

import "testing"

// The working sets, in bytes: what fits the first, second and third cache of most
// machines, and what fits none.
var workingSets = []struct {
	name  string
	bytes int
}{{"L1", 16 << 10}, {"L2", 256 << 10}, {"L3", 8 << 20}, {"memory", 512 << 20}}

// benchWindow is one generation, of a quarter of the table's capacity: what is
// remembered fills one to two quarters.
const benchWindow = 1

// filler inserts ever new ids and keeps the time by their number.
type filler struct {
	*Dedup
	next, generation uint64
}

func newFiller(bytes int) *filler {
	f := &filler{Dedup: NewDedup(alignedWords(bytes/8), benchWindow), generation: uint64(bytes / 8 / 4)}
	for range 4 * f.generation {
		f.insert()
	}
	return f
}

func (f *filler) insert() Outcome {
	f.tick(1)
	return f.Insert(f.next)
}

func (f *filler) tick(n uint64) {
	if f.next&(f.generation-1) == 0 {
		f.Advance()
	}
	f.next += n
}

func BenchmarkDedup(b *testing.B) {
	for _, set := range workingSets {
		f := newFiller(set.bytes)
		b.Run("op=insert/set="+set.name, func(b *testing.B) {
			for b.Loop() {
				f.insert()
			}
		})
		b.Run("op=insert-batch/set="+set.name, func(b *testing.B) { benchBatch(b, f) })
		b.Run("op=claim-commit/set="+set.name, func(b *testing.B) {
			for b.Loop() {
				f.tick(1)
				f.Claim(f.next)
				f.Commit(f.next)
			}
		})
		b.Run("op=hit/set="+set.name, func(b *testing.B) { benchContains(b, f, f.next-f.generation, true) })
		b.Run("op=miss/set="+set.name, func(b *testing.B) { benchContains(b, f, f.next+f.generation, false) })
	}
}

func benchBatch(b *testing.B, f *filler) {
	const size = prefetchAhead
	f.next &^= size - 1
	var ids [size]uint64
	var outcomes [size]Outcome
	for b.Loop() {
		for i := range ids {
			ids[i] = f.next + uint64(i)
		}
		f.tick(size)
		f.InsertBatch(ids[:], outcomes[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/item")
}

// benchContains asks for the ids of one generation over and over, in no order that
// a prefetcher could follow.
func benchContains(b *testing.B, f *filler, from uint64, want bool) {
	i, right := uint64(0), 0
	for b.Loop() {
		i += 0x9e3779b97f4a7c15
		if f.Contains(from+i>>32&(f.generation-1)) == want {
			right++
		}
	}
	if right < b.N*9/10 {
		b.Errorf("%d of %d answers were %v", right, b.N, want)
	}
}
