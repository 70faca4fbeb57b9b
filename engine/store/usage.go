package store

import (
	"fmt"
	"os"
)

// Usage is what a log takes of its disk, read without opening anything: cheap
// enough to be asked for now and then beside a running log.
type Usage struct {
	Segments int    // segments kept
	First    uint64 // the sequence that the oldest of them begins with: those before were let go of; 0 without any
	Free     uint64 // bytes that the file system has for who writes here
	Size     uint64 // bytes of the file system
}

// ReadUsage looks at the log in dir.
func ReadUsage(dir string) (u Usage, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return u, fmt.Errorf("log folder: %w", err)
	}
	for _, e := range entries { // by name, which is by sequence
		first, ok := segmentFirst(e.Name())
		if !ok {
			continue
		}
		if u.Segments == 0 {
			u.First = first
		}
		u.Segments++
	}
	u.Free, u.Size, err = space(dir)
	return u, err
}
