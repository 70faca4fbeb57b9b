package main

import (
	"sync"

	"eventstreamcore/workloads"
)

// slot is of the size that the engine's pool hands out for the standard event.
type slot [256]byte

//go:noinline
func syncPool() func(n int) int {
	p := sync.Pool{New: func() any { return new(slot) }}
	return func(n int) (succeeded int) {
		for range n {
			if s := p.Get().(*slot); s != nil {
				p.Put(s)
				succeeded++
			}
		}
		return succeeded
	}
}

// sink keeps allocations from being optimised away.
var sink *slot

// heap allocates anew each time; what it leaves to the collector is not in its
// figure, for that is off.
//
//go:noinline
func heap() func(n int) int {
	return func(n int) (succeeded int) {
		for range n {
			if sink = new(slot); sink != nil {
				succeeded++
			}
		}
		return succeeded
	}
}

// known is how many ids the engine's table of 256 KiB is filled with: half of
// its words.
const known = 256 << 10 / 8 / 2

// lookupOf is the engine's own pattern: every id below 2*known in turn, of which
// the even ones are there.
func lookupOf(contains func(id uint64) bool) func(n int) int {
	next := 0
	return func(n int) (succeeded int) {
		i := next
		next += n
		for ; i < next; i++ {
			id := uint64(i % (2 * known))
			if contains(id) == (id%2 == 0) {
				succeeded++
			}
		}
		return succeeded
	}
}

// insertOf puts in ids that were never there. A map has no bound of its own: for
// each new id the oldest goes, so that as many stay as in the engine's table.
func insertOf(insert func(id uint64) (fresh bool), remove func(id uint64)) func(n int) int {
	next := known
	return func(n int) (succeeded int) {
		for range n {
			if insert(workloads.Known(next)) {
				succeeded++
			}
			remove(workloads.Known(next - known))
			next++
		}
		return succeeded
	}
}

func filledSyncMap() *sync.Map {
	m := new(sync.Map)
	for i := range known {
		m.Store(workloads.Known(i), struct{}{})
	}
	return m
}

//go:noinline
func syncMapLookups() func(n int) int {
	m := filledSyncMap()
	return lookupOf(func(id uint64) bool { _, held := m.Load(id); return held })
}

//go:noinline
func syncMapInserts() func(n int) int {
	m := filledSyncMap()
	return insertOf(func(id uint64) bool { _, held := m.LoadOrStore(id, struct{}{}); return !held }, func(id uint64) { m.Delete(id) })
}

// guarded is a map behind a mutex.
type guarded struct {
	mu  sync.Mutex
	ids map[uint64]struct{}
}

func newGuarded() *guarded {
	g := &guarded{ids: make(map[uint64]struct{}, known)}
	for i := range known {
		g.insert(workloads.Known(i))
	}
	return g
}

func (g *guarded) contains(id uint64) bool {
	g.mu.Lock()
	_, held := g.ids[id]
	g.mu.Unlock()
	return held
}

func (g *guarded) insert(id uint64) (fresh bool) {
	g.mu.Lock()
	_, held := g.ids[id]
	if !held {
		g.ids[id] = struct{}{}
	}
	g.mu.Unlock()
	return !held
}

func (g *guarded) remove(id uint64) {
	g.mu.Lock()
	delete(g.ids, id)
	g.mu.Unlock()
}

//go:noinline
func mutexMapLookups() func(n int) int { return lookupOf(newGuarded().contains) }

//go:noinline
func mutexMapInserts() func(n int) int {
	g := newGuarded()
	return insertOf(g.insert, g.remove)
}
