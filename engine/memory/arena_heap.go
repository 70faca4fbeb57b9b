//go:build !linux || race

package memory

import "unsafe"

// checked turns on the pools' accounts of which slots are out: a Ref that comes
// home twice, or after its slot was handed out anew, panics.
const checked = true

// reserve takes heap memory that begins at a page, as mapped memory does.
func reserve(size int) ([]byte, error) {
	bytes := make([]byte, size+pageSize)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(bytes))) % uintptr(pageSize)
	return bytes[skip:][:size:size], nil
}

func release([]byte) error { return nil }
