package cpu

import "unsafe"

// HasCounter reports whether Ticks come from a CPU register rather than from
// the operating system.
const HasCounter = true

//go:noescape
func now() Ticks

func end() Ticks { return now() }

//go:noescape
func pause(n uint32)

//go:noescape
func prefetch(p unsafe.Pointer)

//go:noescape
func addChain(n uint64) uint64
