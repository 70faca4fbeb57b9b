package workloads

import (
	"fmt"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// frameBytes is the size on the wire of the standard frame of the workloads: a
// v1 frame of 78 bytes, the original's usual one.
const frameBytes = 78

// framePayload is the payload of such a frame, with an 8-byte topic, in bytes:
// less the length, the v1 head and the topic.
const framePayload = frameBytes - 4 - 3 - 8

// standardFrame has an 8-byte topic.
func standardFrame(version wire.Version, payload int) wire.Frame {
	return wire.Frame{
		Version: version, Priority: event.High, ID: 7<<40 | 1,
		Topic: []byte("bench/rt"), Payload: make([]byte, payload),
	}
}

// parse decodes a buffer of frames, as ingest does.
func parse(b *Bench) (cells []Cell) {
	for _, version := range []wire.Version{wire.V1, wire.V2} {
		for _, payload := range b.Set.numbers("payload", framePayload) {
			frame := standardFrame(version, payload)
			cells = append(cells, Cell{
				Params: params("frame", fmt.Sprintf("v%d", version)), Threads: 1, FloorUnit: "ns/op", Floor: memcpyFloor(frame.Size()),
				Open: func(b *Bench) (Trial, error) { return amortised(b, parseFrames, decoding(frame), nil), nil },
			}.with("payload", amount(payload), amount(framePayload)))
		}
	}
	return cells
}

// parseFrames is how many frames the buffer holds: 20 KiB of standard ones, well
// in L1.
const parseFrames = 256

//go:noinline
func decoding(frame wire.Frame) loop {
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
