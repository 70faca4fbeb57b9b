package queue

import (
	"testing"

	"eventstreamcore/engine/event"
)

var sink event.Ref

func BenchmarkSPSCPair(b *testing.B) {
	q := NewSPSC(make([]event.Ref, 16384), 16384)
	var r event.Ref
	for b.Loop() {
		q.Push(1)
		r, _ = q.Pop()
	}
	sink = r
}

func BenchmarkMPSCPair(b *testing.B) {
	q := NewMPSC(make([]event.Ref, 65536))
	var r event.Ref
	for b.Loop() {
		q.Push(1)
		r, _ = q.Pop()
	}
	sink = r
}

func BenchmarkSPSCBatch32(b *testing.B) {
	q := NewSPSC(make([]event.Ref, 16384), 16384)
	var in, out [32]event.Ref
	n := 0
	for b.Loop() {
		n += q.PushBatch(in[:])
		n -= q.PopBatch(out[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/item")
}

func BenchmarkMPSCBatch32(b *testing.B) {
	q := NewMPSC(make([]event.Ref, 65536))
	var in, out [32]event.Ref
	n := 0
	for b.Loop() {
		n += q.PushBatch(in[:])
		n -= q.PopBatch(out[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/item")
}
