package workloads

import (
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// frameBytes is the size on the wire of the standard frame of the workloads: a
// v1 frame of 78 bytes, the original's usual one.
const frameBytes = 78

// standardFrame is v1 with an 8-byte topic, padded to frameBytes, or v2 with the
// same topic and payload.
func standardFrame(version wire.Version) wire.Frame {
	const overhead = 4 + 3 + 8 // length, v1 head, topic
	return wire.Frame{
		Version: version, Priority: event.High, ID: 7<<40 | 1,
		Topic: []byte("bench/rt"), Payload: make([]byte, frameBytes-overhead),
	}
}

// parse decodes a buffer of frames, as ingest does.
func parse(*Bench) []Cell {
	cell := func(name string, version wire.Version) Cell {
		return Cell{
			Params: params("frame", name), Threads: 1, FloorUnit: "ns/op", Floor: memcpyFloor(frameBytes),
			Open: func(b *Bench) (Trial, error) { return amortised(b, parseFrames, decoding(version), nil), nil },
		}
	}
	return []Cell{cell("v1", wire.V1), cell("v2", wire.V2)}
}

// parseFrames is how many frames the buffer holds: 20 KiB of them, well in L1.
const parseFrames = 256

//go:noinline
func decoding(version wire.Version) loop {
	frame := standardFrame(version)
	var buffer []byte
	for range parseFrames {
		buffer = frame.Append(buffer)
	}
	return func(n int) (succeeded int) {
		var f wire.Frame
		for range n {
			rest, decoded := buffer, 0
			for len(rest) > 0 {
				size, status := wire.Decode(rest, &f)
				if status != wire.OK {
					break
				}
				rest = rest[size:]
				decoded++
			}
			if decoded == parseFrames {
				succeeded++
			}
		}
		return succeeded
	}
}
