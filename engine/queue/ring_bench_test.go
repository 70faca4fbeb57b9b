package queue

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

const (
	spscSlots = 16384
	mpscSlots = 65536
	batchSize = 32
)

var sink event.Ref

func BenchmarkSPSC(b *testing.B) {
	b.Run("op=pair", func(b *testing.B) {
		q := NewSPSC(make([]event.Ref, spscSlots), spscSlots)
		r := event.Ref(1)
		for b.Loop() {
			q.Push(r)
			r, _ = q.Pop()
		}
		sink = r
	})
	b.Run("op=batch", func(b *testing.B) {
		benchBatches(b, NewSPSC(make([]event.Ref, spscSlots), spscSlots))
	})
	benchAcross(b, func() ring { return NewSPSC(make([]event.Ref, spscSlots), spscSlots) })
}

func BenchmarkMPSC(b *testing.B) {
	b.Run("op=pair", func(b *testing.B) {
		q := NewMPSC(make([]event.Ref, mpscSlots))
		r := event.Ref(1)
		for b.Loop() {
			q.Push(r)
			r, _ = q.Pop()
		}
		sink = r
	})
	b.Run("op=batch", func(b *testing.B) { benchBatches(b, NewMPSC(make([]event.Ref, mpscSlots))) })
	benchAcross(b, func() ring { return NewMPSC(make([]event.Ref, mpscSlots)) })
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprintf("op=two-fill/batch=%d", batch), func(b *testing.B) { benchTwoFill(b, batch) })
	}
	b.Run("op=drain", benchDrain)
}

func benchBatches(b *testing.B, q ring) {
	var in, out [batchSize]event.Ref
	for b.Loop() {
		q.PushBatch(in[:])
		q.PopBatch(out[:])
	}
	perItem(b, batchSize)
}

func perItem(b *testing.B, items int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(items), "ns/item")
}

// benchAcross hands events to another core, which backs off for so many PAUSEs when
// it finds nothing. It tells of the machine as much as of the ring: set it beside
// the time that a line takes from core to core.
func benchAcross(b *testing.B, make func() ring) {
	for _, batch := range []int{1, batchSize} {
		for _, pauses := range []uint32{0, 16, 64} {
			b.Run(fmt.Sprintf("op=across/batch=%d/pauses=%d", batch, pauses), func(b *testing.B) {
				cpus, err := cpu.Allowed()
				if err != nil || len(cpus) < 2 {
					b.Skipf("wants two CPUs to pin to: has %v (%v)", cpus, err)
				}
				q := make()
				var stop atomic.Bool
				var wg sync.WaitGroup
				wg.Go(func() {
					pin(b, cpus[1])
					drain(q, batch, pauses, &stop)
				})
				pin(b, cpus[0])
				rs := [batchSize]event.Ref{1}
				for b.Loop() {
					for n := 0; n < batch; {
						n += q.PushBatch(rs[n:batch])
					}
				}
				stop.Store(true)
				wg.Wait()
				perItem(b, batch)
			})
		}
	}
}

func pin(b *testing.B, to int) {
	if err := cpu.Pin(to); err != nil {
		b.Error(err)
	}
}

func drain(q ring, batch int, pauses uint32, stop *atomic.Bool) {
	var dst [batchSize]event.Ref
	for !stop.Load() {
		if q.PopBatch(dst[:batch]) == 0 {
			cpu.Pause(pauses)
		}
	}
}

// benchTwoFill has two producers fill the ring at once: what a push costs while
// another is at it. Emptying it is not timed.
func benchTwoFill(b *testing.B, batch int) {
	q := NewMPSC(make([]event.Ref, mpscSlots))
	out := make([]event.Ref, mpscSlots)
	for b.Loop() {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				var rs [16]event.Ref
				for range mpscSlots / 2 / batch {
					q.PushBatch(rs[:batch])
				}
			})
		}
		wg.Wait()
		b.StopTimer()
		if n := q.PopBatch(out); n != mpscSlots {
			b.Fatalf("%d of %d arrived", n, mpscSlots)
		}
		b.StartTimer()
	}
	perItem(b, mpscSlots)
}

// benchDrain times the other half.
func benchDrain(b *testing.B) {
	q := NewMPSC(make([]event.Ref, mpscSlots))
	all := make([]event.Ref, mpscSlots)
	for b.Loop() {
		b.StopTimer()
		q.PushBatch(all)
		b.StartTimer()
		for i := 0; i < mpscSlots; i += batchSize {
			q.PopBatch(all[i:][:batchSize])
		}
	}
	perItem(b, mpscSlots)
}
