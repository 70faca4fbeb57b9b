package probes

import (
	"fmt"
	"time"

	"eventstreamcore/engine/cpu"
)

// WriteSync times one bare pwrite of so many bytes (1 B to 1 MiB) and its
// fdatasync, in a zero-filled file of 64 MiB in dir, removed afterwards: the
// least that a durable append can cost on that filesystem.
func WriteSync(clock cpu.Clock, dir string, bytes int, budget time.Duration) (Floor, error) {
	if bytes < 1 || bytes > 1<<20 {
		return Floor{}, fmt.Errorf("write and sync of %d bytes: from 1 to 1 MiB", bytes)
	}
	samples, err := writeSync(clock, dir, bytes, budget)
	if err != nil {
		return Floor{}, fmt.Errorf("write and sync in %s: %w", dir, err)
	}
	return newFloor("write_sync", fmt.Sprintf("pwrite of %d bytes and fdatasync on the filesystem that is measured", bytes), samples)
}

// Disk times writes of one 4 KiB page to the filesystem of dir: into the page
// cache, with fdatasync, past the cache (O_DIRECT), and that with fdatasync.
// What the filesystem refuses is left out and said.
func Disk(clock cpu.Clock, dir string, budget time.Duration) (floors []Floor, missing []string, err error) {
	if floors, missing, err = diskFloors(clock, dir, 4096, budget); err != nil {
		return floors, missing, fmt.Errorf("disk in %s: %w", dir, err)
	}
	return floors, missing, nil
}
