package probes

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

const syncFile = 64 << 20 // bytes written in turn: the log's segment

func writeSync(clock cpu.Clock, dir string, bytes int, budget time.Duration) ([]float64, error) {
	return writeWays(clock, dir, bytes, 0, true, budget)
}

// writeWays writes blocks in turn into a file made for it. What O_DIRECT needs,
// aligned memory, length and position, mapped pages and blocks of a page give.
func writeWays(clock cpu.Clock, dir string, bytes, flags int, sync bool, budget time.Duration) (samples []float64, err error) {
	file, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if err := zeroFill(file, syncFile); err != nil {
		return nil, err
	}
	fd, err := unix.Open(file.Name(), unix.O_WRONLY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	memory, err := newPages(bytes, anyNode)
	if err != nil {
		return nil, err
	}
	defer memory.release()
	at, failed := int64(0), error(nil)
	samples = sampleUntil(clock, budget, func() float64 {
		if failed != nil {
			return 0
		}
		began := cpu.Now()
		_, failed = unix.Pwrite(fd, memory.bytes, at)
		if sync && failed == nil {
			failed = unix.Fdatasync(fd)
		}
		at = (at + int64(bytes)) % (syncFile - int64(bytes))
		return float64(clock.Ns(cpu.End() - began))
	})
	return samples, failed
}

// zeroFill writes the file once, so that a later write changes data only.
func zeroFill(file *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros, at); err != nil {
			return fmt.Errorf("zero-filling %s: %w", file.Name(), err)
		}
	}
	return file.Sync()
}

// diskFloors times a bare write into the page cache, with its sync, and past the
// page cache. A filesystem without O_DIRECT (tmpfs before Linux 6.6) is said.
func diskFloors(clock cpu.Clock, dir string, bytes int, budget time.Duration) (floors []Floor, missing []string, err error) {
	for _, way := range []struct {
		name  string
		flags int
		sync  bool
	}{
		{"write", 0, false}, {"write_sync", 0, true}, {"write_direct", unix.O_DIRECT, false}, {"write_direct_sync", unix.O_DIRECT, true},
	} {
		samples, err := writeWays(clock, dir, bytes, way.flags, way.sync, budget/4)
		if errors.Is(err, unix.EINVAL) && way.flags == unix.O_DIRECT {
			missing = append(missing, way.name+": not measured: this filesystem has no O_DIRECT")
			continue
		}
		if err != nil {
			return floors, missing, err
		}
		f, err := newFloor(way.name, fmt.Sprintf("pwrite of %d bytes, %s", bytes, way.name), samples)
		if err != nil {
			return floors, missing, err
		}
		floors = append(floors, f)
	}
	return floors, missing, nil
}
