//go:build !amd64 && !arm64

package cpu

import (
	"runtime"
	"time"
	"unsafe"
)

// HasCounter reports whether Ticks come from a CPU register rather than from
// the operating system.
const HasCounter = false

var start = time.Now()

func now() Ticks { return Ticks(time.Since(start)) }

func end() Ticks { return now() }

func pause(n uint32) {
	for range n {
		runtime.Gosched()
	}
}

func prefetch(unsafe.Pointer) {}

func addChain(n uint64) uint64 { return addChainPortable(n) }
