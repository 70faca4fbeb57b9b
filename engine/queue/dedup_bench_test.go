package queue

import (
	"fmt"
	"testing"
)

var tableSizes = []struct {
	name  string
	bytes int
}{{"L1", 16 << 10}, {"L2", 256 << 10}, {"L3", 8 << 20}, {"memory", 512 << 20}}

func BenchmarkDedup(b *testing.B) {
	for _, size := range tableSizes {
		d := NewDedup(alignedWords(size.bytes/8), 1)
		ids := uint64(size.bytes / 8 * 3 / 4) // three quarters full
		for id := range ids {
			d.Insert(id)
		}
		name := fmt.Sprintf("/set=%s", size.name)
		b.Run("Insert"+name, func(b *testing.B) {
			id := ids
			for b.Loop() {
				d.Insert(id)
				id++
			}
		})
		b.Run("Contains"+name, func(b *testing.B) {
			id, found := uint64(0), 0
			for b.Loop() {
				if d.Contains(id * 0x9e3779b97f4a7c15 % (2 * ids)) {
					found++
				}
				id++
			}
		})
		b.Run("InsertBatch"+name, func(b *testing.B) {
			id := 2 * ids
			var batch [16]uint64
			var outcomes [16]Outcome
			for b.Loop() {
				for i := range batch {
					batch[i] = id
					id++
				}
				d.InsertBatch(batch[:], outcomes[:])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/item")
		})
	}
}
