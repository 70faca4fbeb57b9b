package event

import "golang.org/x/sys/cpu"

// interleaved reports whether the CPU has the CRC instruction (SSE4.2, 2008).
var interleaved = cpu.X86.HasSSE42

// sealThree is Seal of three events, word by word side by side as far as all
// three go, and what remains of each by itself.
//
//go:noescape
func sealThree(a, b, c *Header)
