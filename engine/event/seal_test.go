package event

import (
	"math/rand/v2"
	"testing"
)

// TestSealAgainstItsTwin seals groups of events of all lengths together, and
// each by itself.
func TestSealAgainstItsTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		hs := make([]*Header, random.IntN(9))
		for i := range hs {
			topic, payload := make([]byte, 1+random.IntN(20)), make([]byte, random.IntN(200))
			for j := range payload {
				payload[j] = byte(random.Uint32())
			}
			hs[i] = slotFor(SizeOf(len(topic), len(payload)))
			hs[i].ID, hs[i].Wall = random.Uint64(), random.Int64()
			hs[i].Fill(topic, payload)
		}
		Seal(hs)
		for i, h := range hs {
			got := h.Content
			if h.Seal(); got != h.Content {
				t.Fatalf("event %d of %d, %d bytes: sealed together %#x, alone %#x", i, len(hs), h.Length, got, h.Content)
			}
		}
	}
}

// BenchmarkSeal is per event of 64 bytes with a topic of 8.
func BenchmarkSeal(b *testing.B) {
	hs := make([]*Header, 63)
	for i := range hs {
		hs[i] = slotFor(SizeOf(8, 64))
		hs[i].Fill(make([]byte, 8), make([]byte, 64))
	}
	for b.Loop() {
		Seal(hs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(hs)), "ns/event")
}
