package probes

import (
	"fmt"
	"time"

	"eventstreamcore/engine/cpu"
)

const (
	readBytes      = 256 << 10 // one read, as ingest reads
	bytesPerSample = 4 << 20   // about a millisecond
)

// LoopbackRead times a raw TCP loopback stream: one thread pinned to CPU writer
// writes blocks of 256 KiB, one pinned to CPU reader reads up to 256 KiB at a
// time and looks at nothing. The result is nanoseconds for each frameBytes
// read: the least that a TCP event of that size can cost its reader.
func LoopbackRead(clock cpu.Clock, frameBytes, writer, reader int, budget time.Duration) (Floor, error) {
	if frameBytes < 1 || frameBytes > bytesPerSample {
		return Floor{}, fmt.Errorf("loopback frames of %d bytes: from 1 to %d", frameBytes, bytesPerSample)
	}
	if writer == reader {
		return Floor{}, fmt.Errorf("loopback on CPU %d alone: %w", writer, ErrOneCPU)
	}
	samples, err := streamLoopback(clock, writer, reader, budget)
	if err != nil {
		return Floor{}, fmt.Errorf("loopback stream: %w", err)
	}
	for i := range samples {
		samples[i] *= float64(frameBytes)
	}
	how := fmt.Sprintf("TCP over loopback, CPU %d to %d, reads of 256 KiB, %d bytes a frame", writer, reader, frameBytes)
	return newFloor("loopback_read", how, samples)
}
