package workloads

import (
	"fmt"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
	"eventstreamcore/reports/record"
)

// poolEvent is the size in bytes of the slot that the pool is asked for: the
// header, an 8-byte topic and a payload of 64.
var poolEvent = event.SizeOf(8, 64)

// pool takes slots and gives them back, on the owner's thread and by way of the
// return queue; the same size from the Go heap stands beside it.
func pool(*Bench) []Cell {
	return []Cell{
		{
			Params: params("op", "acquire-release"), Threads: 1, Targets: []string{"pool", "pool-rate", "pool-gain"}, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) {
				p, done, err := b.newPool()
				if err != nil {
					return Trial{}, err
				}
				t := amortised(b, 1, acquireRelease(p), func(ns float64) []record.Value {
					values := []record.Value{value("ops/s", 1e9/ns)}
					if heap, err := b.heapNs(); err == nil {
						values = append(values, value("x-alloc", heap/ns))
					}
					return values
				})
				t.Close = done
				return t, nil
			},
		},
		{
			Params: params("op", "acquire-return", "batch", "32"), Threads: 1, FloorUnit: "ns/op", Floor: loadStoreFloor,
			Open: func(b *Bench) (Trial, error) {
				p, done, err := b.newPool()
				if err != nil {
					return Trial{}, err
				}
				t := amortised(b, batchSize, acquireReturn(p), nil)
				t.Close = done
				return t, nil
			},
		},
	}
}

// newPool is a pool in the memory of the run's node.
func (b *Bench) newPool() (*memory.Pool, func() error, error) {
	classes := memory.DefaultClasses()
	arena, err := memory.NewArena(classes.Bytes())
	if err != nil {
		return nil, nil, err
	}
	home := queue.NewMPSC(make([]event.Ref, 1<<18))
	p, err := memory.NewPool(arena, 0, b.node(), classes, home)
	if err != nil {
		return nil, nil, fmt.Errorf("pool: %w", err)
	}
	return p, arena.Close, nil
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
func acquireReturn(p *memory.Pool) loop {
	refs := make([]event.Ref, batchSize)
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

// heapSink keeps allocations from being optimised away.
var heapSink *[256]byte

// heapNs is the cost in ns of a slot of the same size from the Go heap, with the
// collector off as it is in every trial: the kindest case for the heap.
func (b *Bench) heapNs() (ns float64, err error) {
	const n = 100_000
	err = b.pinned(b.Hot, func() {
		out := b.timeLoop(n, 1, func(n int) int {
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
