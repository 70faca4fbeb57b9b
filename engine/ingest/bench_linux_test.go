package ingest

import (
	"sync/atomic"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/topic"
)

// BenchmarkTCP takes 78-byte frames from one connection: read, parse, slot,
// checksum, push, and the pop and release of whoever stands for the engine.
func BenchmarkTCP(b *testing.B) {
	s := serve(b, newRig(b, 16384, memory.DefaultClasses()), nil)
	c := s.dial(b)
	f := frame("bench/1", make([]byte, 64))
	b.SetBytes(int64(f.Size()))
	b.ReportAllocs()
	var chunk []byte
	for len(chunk) < 64<<10 {
		chunk = f.Append(chunk)
	}
	go func() {
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}()
	refs := make([]event.Ref, 256)
	got := 0
	for b.Loop() {
		for got == 0 {
			s.worker.Step(cpu.Now())
			got = s.lane.PopBatch(refs)
			for _, ref := range refs[:got] {
				s.pool.Release(ref)
			}
		}
		got--
	}
}

func BenchmarkAdmit(b *testing.B) {
	b.Run("no topics", func(b *testing.B) { benchmarkAdmit(b, nil) })
	b.Run("topics", func(b *testing.B) { benchmarkAdmit(b, holding(table(b, "bench/+:HIGH\nbench/1:LOW"))) })
}

func benchmarkAdmit(b *testing.B, topics *atomic.Pointer[topic.Table]) {
	r := newRig(b, 16384, memory.DefaultClasses())
	r.intake.Topics = topics
	f := frame("bench/1", make([]byte, 64))
	refs := make([]event.Ref, 256)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.intake.Admit(f, Arrival{Received: cpu.Ticks(i >> 8)})
		if i%batch == 0 {
			for _, ref := range refs[:r.lane.PopBatch(refs)] {
				r.pool.Release(ref)
			}
		}
	}
}
