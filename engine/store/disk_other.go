//go:build !linux

package store

import (
	"fmt"
	"io"

	"eventstreamcore/engine/cpu"
)

// openFolder refuses: what a sync means on this system has not been measured
// or tested, and a log that only seems durable is worse than none.
func openFolder(path string, _ bool) (disk, error) {
	return nil, fmt.Errorf("log in %s: %w", path, cpu.ErrUnsupported)
}

// Claim refuses, as openFolder does.
func Claim(path string) (io.Closer, error) {
	return nil, fmt.Errorf("lock of %s: %w", path, cpu.ErrUnsupported)
}

func noSpace(error) bool { return false }

func noDirect(error) bool { return false }

func space(string) (free, size uint64, err error) { return 0, 0, cpu.ErrUnsupported }
