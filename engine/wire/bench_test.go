package wire_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

func randomFrame(rng *rand.Rand) wire.Frame {
	f := wire.Frame{
		Version: wire.V1 + wire.Version(rng.IntN(2)), Priority: event.Priority(rng.IntN(event.Priorities)),
		Topic: []byte("topic/of/some/length")[:1+rng.IntN(20)], Payload: make([]byte, rng.IntN(300)),
	}
	for i := range f.Payload {
		f.Payload[i] = byte(rng.Uint32())
	}
	if f.Version == wire.V2 {
		f.ID, f.Intended, f.Flags = rng.Uint64(), rng.Uint64(), uint8(rng.IntN(6))
	}
	return f
}

// BenchmarkDecode reads frames of 78 bytes (v1) and 99 bytes (v2) out of one 256 KiB buffer, as a worker does.
func BenchmarkDecode(b *testing.B) {
	for _, v := range []wire.Version{wire.V1, wire.V2} {
		b.Run(fmt.Sprintf("v%d", v), func(b *testing.B) {
			f := wire.Frame{Version: v, Topic: []byte("bench/1"), Payload: make([]byte, 64), ID: 1}
			var stream []byte
			for len(stream) < 256<<10 {
				stream = f.Append(stream)
			}
			b.SetBytes(int64(f.Size()))
			b.ReportAllocs()
			rest := stream
			for b.Loop() {
				n, s := wire.Decode(rest, &f)
				if s != wire.OK {
					b.Fatal(s)
				}
				if rest = rest[n:]; len(rest) == 0 {
					rest = stream
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, v := range []wire.Version{wire.V1, wire.V2} {
		b.Run(fmt.Sprintf("v%d", v), func(b *testing.B) {
			f := wire.Frame{Version: v, Topic: []byte("bench/1"), Payload: make([]byte, 64), ID: 1}
			buf := make([]byte, 0, f.Size())
			b.SetBytes(int64(f.Size()))
			b.ReportAllocs()
			for b.Loop() {
				buf = f.Append(buf[:0])
			}
		})
	}
}
