package workloads

import (
	"fmt"

	"eventstreamcore/engine/queue"
)

// dedupSets are the working sets: they fit L1, L2 and L3 of the usual server
// core, and none of them. The window is in generations; a table as small as L1
// has bits for few.
var dedupSets = []struct {
	name          string
	bytes, window int
}{{"16KiB", 16 << 10, 2}, {"256KiB", 256 << 10, 16}, {"8MiB", 8 << 20, 16}, {"512MiB", 512 << 20, 16}}

// dedupJudged is the set that the targets are held against: the original's 4,096
// buckets, a line each.
const dedupJudged = "256KiB"

// dedup looks ids up and inserts new ones, in tables of several sizes, singly and
// in batches that prefetch.
func dedup(b *Bench) (cells []Cell) {
	for _, set := range dedupSets {
		cell := func(op string, batch int, run func(*table) loop) Cell {
			c := Cell{
				Params: params("op", op, "set", set.name, "batch", fmt.Sprint(batch)), Threads: 1, FloorUnit: "ns/op", Floor: accessFloor(set.bytes),
				Open: func(b *Bench) (Trial, error) {
					return amortised(b, batch, run(filled(set.bytes/8, set.window)), nil), nil
				},
			}
			if set.name == dedupJudged && batch == 1 {
				c.Targets = []string{"dedup"}
				if op == "lookup" {
					c.Targets = append(c.Targets, "lookup")
				}
			}
			return c
		}
		cells = append(cells, cell("lookup", 1, lookups), cell("insert", 1, inserts))
		for _, batch := range b.Set.numbers("batch", dedupBatch) {
			cells = append(cells, cell("insert", batch, func(t *table) loop { return insertBatches(t, batch) }))
		}
	}
	return cells
}

const (
	dedupBatch = 16
	knownMost  = 4 << 20 // bounds the time that filling a table takes
)

// table is a dedup table that is kept going: a generation ends when as many ids
// came as it has words, so that it stays full and the upkeep is in the figure.
type table struct {
	*queue.Dedup
	known int // ids it was filled with
	words int
	left  int // ids until the next generation
}

// filled is a table of that many words, half full or with knownMost ids, every
// page of it touched.
func filled(words, window int) *table {
	memory := make([]uint64, words)
	for i := 0; i < words; i += 512 {
		memory[i] = 0
	}
	t := &table{Dedup: queue.NewDedup(memory, window), known: min(words/2, knownMost), words: words, left: words}
	ids, outcomes := make([]uint64, dedupBatch), make([]queue.Outcome, dedupBatch)
	for first := 0; first < t.known; first += dedupBatch {
		for i := range ids {
			ids[i] = knownID(first + i)
		}
		t.InsertBatch(ids, outcomes)
	}
	return t
}

// count notes n more ids.
func (t *table) count(n int) {
	if t.left -= n; t.left <= 0 {
		t.Advance()
		t.left = t.words
	}
}

// knownID is the i-th id of a filled table; odd ids below it are not there.
func knownID(i int) uint64 { return 2 * uint64(i) }

// lookups reads ids that were inserted and ids that were not, by turns. The table
// may have let a known one go: it holds eight to a line and no more.
//
//go:noinline
func lookups(t *table) loop {
	next := 0
	return func(n int) (succeeded int) {
		i := next
		next += n
		for ; i < next; i++ {
			id := uint64(i % (2 * t.known))
			if held := t.Contains(id); !held || id%2 == 0 {
				succeeded++
			}
		}
		return succeeded
	}
}

// inserts puts in ids that were never there: where the table is full, each new
// one takes the place of an old.
//
//go:noinline
func inserts(t *table) loop {
	next := knownID(t.known)
	return func(n int) (succeeded int) {
		for range n {
			if t.Insert(next) == queue.Fresh {
				succeeded++
			}
			next++
			t.count(1)
		}
		return succeeded
	}
}

//go:noinline
func insertBatches(t *table, batch int) loop {
	next := knownID(t.known)
	ids, outcomes := make([]uint64, batch), make([]queue.Outcome, batch)
	return func(n int) (succeeded int) {
		for range n {
			for i := range ids {
				ids[i] = next
				next++
			}
			t.InsertBatch(ids, outcomes)
			t.count(batch)
			fresh := 0
			for _, o := range outcomes {
				if o == queue.Fresh {
					fresh++
				}
			}
			if fresh == batch {
				succeeded++
			}
		}
		return succeeded
	}
}
