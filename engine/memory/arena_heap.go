//go:build !linux || race

package memory

import (
	"unsafe"

	"eventstreamcore/engine/cpu"
)

// checked turns on the pools' accounts of which slots are out: a Ref that comes
// home twice, or after its slot was handed out anew, panics.
const checked = true

// reserve takes heap memory, aligned to a cache line.
func reserve(size int) ([]byte, error) {
	bytes := make([]byte, size+cpu.CacheLine)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(bytes))) % cpu.CacheLine
	return bytes[skip:][:size:size], nil
}

func release([]byte) error { return nil }
