package workloads

import (
	"errors"
	"fmt"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
	"eventstreamcore/reports/record"
)

// poolEvent is the size in bytes of the slot that the pool is asked for: the
// header, an 8-byte topic and a payload of 64.
var poolEvent = event.SizeOf(8, 64)

// pool takes slots and gives them back, on the owner's thread, by way of the
// return queue, and with the storer's side of it on another CPU; the same size
// from the Go heap stands beside it.
func pool(b *Bench) []Cell {
	cells := []Cell{{
		Params: params("op", "acquire-release"), Threads: 1, Targets: []string{"pool", "pool-rate", "pool-gain"}, FloorUnit: "ns/op", Floor: loadStoreFloor,
		Open: func(b *Bench) (Trial, error) {
			return b.stocked(1, func(s *stock) loop { return acquireRelease(s.Pool) }, func(ns float64) []record.Value {
				values := []record.Value{value("ops/s", 1e9/ns)}
				if b.inTurns { // the heap takes longer than a turn, and no build changes it
					return values
				}
				if heap, err := b.heapNs(); err == nil {
					values = append(values, value("x-alloc", heap/ns))
				}
				return values
			})
		},
	}}
	for _, batch := range b.Set.numbers("batch", batchSize) {
		cells = append(cells,
			Cell{
				Params: params("op", "acquire-return", "batch", amount(batch)), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
				Open: func(b *Bench) (Trial, error) {
					return b.stocked(batch, func(s *stock) loop { return acquireReturn(s.Pool, batch) }, nil)
				},
			},
			Cell{
				Params: params("op", "return-across", "batch", amount(batch)), Threads: 2, Needs: 2, Across: true, FloorUnit: "ns/op", Floor: transferFloor,
				Open: func(b *Bench) (Trial, error) { return b.returning(batch) },
			})
	}
	return cells
}

// stocked times a loop over a stock of its own.
func (b *Bench) stocked(items int, run func(*stock) loop, more func(ns float64) []record.Value) (Trial, error) {
	s, err := b.newStock()
	if err != nil {
		return Trial{}, err
	}
	t := amortised(b, items, run(s), more)
	t.Close = s.close
	return t, nil
}

// stock is a pool and the memory that it is cut from, on the run's node.
type stock struct {
	*memory.Pool
	arena *memory.Arena
}

// newStock is one of the default classes.
func (b *Bench) newStock() (*stock, error) { return b.newStockOf(memory.DefaultClasses()) }

func (b *Bench) newStockOf(classes memory.Classes) (*stock, error) {
	arena, err := memory.NewArena(classes.Bytes())
	if err != nil {
		return nil, err
	}
	home := queue.NewMPSC(make([]event.Ref, 1<<18))
	p, err := memory.NewPool(arena, 0, b.node, classes, home)
	if err != nil {
		return nil, fmt.Errorf("pool: %w", errors.Join(err, arena.Close()))
	}
	return &stock{p, arena}, nil
}

func (s *stock) close() error { return s.arena.Close() }

// slots is the stock as the stages behind ingest see it.
func (s *stock) slots() *bus.Slots {
	return &bus.Slots{Arena: s.arena, Pools: []*memory.Pool{s.Pool}}
}

//go:noinline
func acquireRelease(p *memory.Pool) loop {
	return func(n int) (succeeded int) {
		for range n {
			if r, _ := p.Acquire(poolEvent); r != 0 {
				p.Release(r)
				succeeded++
			}
		}
		return succeeded
	}
}

// acquireReturn sends the slots home as the storer does: a batch by the return
// queue, which the owner then empties.
//
//go:noinline
func acquireReturn(p *memory.Pool, batch int) loop {
	refs := make([]event.Ref, batch)
	return func(n int) (succeeded int) {
		for range n {
			for i := range refs {
				refs[i], _ = p.Acquire(poolEvent)
			}
			p.Return(refs)
			if p.Reclaim() == len(refs) {
				succeeded++
			}
		}
		return succeeded
	}
}

// returning has the hot CPU take slots and pass them to the peer, which sends
// them home as the storer does; the owner finds them in its return queue. The
// figure is per slot, for one round through both CPUs.
func (b *Bench) returning(batch int) (Trial, error) {
	s, err := b.newStock()
	if err != nil {
		return Trial{}, err
	}
	way, n := newSPSC(), 1<<16
	return Trial{Close: s.close, Run: func() (out Outcome, err error) {
		out, err = b.giveBack(s, way, batch, n)
		if err == nil && out.Invalid == "" {
			n = max(int(float64(b.Time)/out.Values[0].Value), 1<<14)
		}
		return out, err
	}}, nil
}

// giveBack takes n slots round by both CPUs.
func (b *Bench) giveBack(s *stock, way *queue.SPSC, batch, n int) (out Outcome, err error) {
	var took cpu.Ticks
	full := s.Free(0)
	err = b.together([]int{b.Hot, b.Peer}, func(i int) {
		if i == 1 {
			sendHome(s.Pool, way, batch, n)
			return
		}
		began := cpu.Now()
		passOn(s.Pool, way, batch, n)
		took = cpu.End() - began
	})
	for s.Reclaim() > 0 {
	}
	if missing := full - s.Free(0); missing != 0 {
		out.Invalid = fmt.Sprintf("%d of %d slots did not come home", missing, n)
		return out, err
	}
	ns := float64(b.Clock.Ns(took)) / float64(n)
	out.Trial = record.Trial{N: int64(n), Values: []record.Value{value("ns/op", ns), value("ops/s", 1e9/ns)}}
	return out, err
}

// passOn takes n slots, as many at a time as a batch, and passes them on.
func passOn(p *memory.Pool, way *queue.SPSC, batch, n int) {
	refs := make([]event.Ref, batch)
	for n > 0 {
		have := 0
		for ; have < min(batch, n); have++ {
			if refs[have], _ = p.Acquire(poolEvent); refs[have] == 0 {
				break
			}
		}
		for rest := refs[:have]; len(rest) > 0; {
			rest = rest[way.PushBatch(rest):]
		}
		n -= have
		p.Reclaim()
	}
}

// sendHome returns n slots that come by the way.
func sendHome(p *memory.Pool, way *queue.SPSC, batch, n int) {
	refs := make([]event.Ref, batch)
	for n > 0 {
		have := way.PopBatch(refs[:min(batch, n)])
		if have == 0 {
			cpu.Pause(backOff)
			continue
		}
		p.Return(refs[:have])
		n -= have
	}
}

// heapSink keeps allocations from being optimised away.
var heapSink *[256]byte

// heapNs is the cost in ns of a slot of the same size from the Go heap, with the
// collector off as it is in every trial: the kindest case for the heap.
func (b *Bench) heapNs() (ns float64, err error) {
	const n = 100_000
	err = b.pinned(b.Hot, func() {
		out := b.timeLoop("hot, Go heap", n, 1, func(n int) int {
			for range n {
				heapSink = new([256]byte)
			}
			if heapSink == nil {
				return 0
			}
			return n
		})
		ns = out.Values[0].Value
	})
	return ns, err
}
