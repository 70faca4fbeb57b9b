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

func writeSync(clock cpu.Clock, dir string, bytes int, budget time.Duration) (samples []float64, err error) {
	file, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if err := zeroFill(file, syncFile); err != nil {
		return nil, err
	}
	block, at := make([]byte, bytes), int64(0)
	samples = sampleUntil(clock, budget, func() float64 {
		began := cpu.Now()
		_, e := unix.Pwrite(int(file.Fd()), block, at)
		err = errors.Join(err, e, unix.Fdatasync(int(file.Fd())))
		at = (at + int64(bytes)) % (syncFile - int64(bytes))
		return float64(clock.Ns(cpu.End() - began))
	})
	return samples, err
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
