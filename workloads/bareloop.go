package workloads

import (
	"errors"
	"fmt"
	"os"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/reports/record"
)

// bareLoop writes and syncs groups of so many bytes, one after the other, as a
// log would that did nothing else: what stands beside a durable log's time per
// group, in the same second, for a disk is another one in the next.
type bareLoop struct {
	file  *os.File
	group []byte
	at    int64
}

// bareBytes is the size of the file that is written in turn: a segment's.
const bareBytes = 64 << 20

// newBareLoop makes the file and fills it, as a segment is before it is written.
func newBareLoop(dir string, groupBytes int) (*bareLoop, error) {
	file, err := os.CreateTemp(dir, "bare-")
	if err != nil {
		return nil, err
	}
	l := &bareLoop{file: file, group: make([]byte, groupBytes)}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < bareBytes && err == nil; at += int64(len(zeros)) {
		_, err = file.WriteAt(zeros, at)
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *bareLoop) close() error { return errors.Join(l.file.Close(), os.Remove(l.file.Name())) }

// run writes groups until so many ns are over, and is the mean time of one.
func (l *bareLoop) run(clock cpu.Clock, ns int64) (*record.Floor, error) {
	began, n, took := cpu.Now(), 0, int64(0)
	for ; took < ns; n++ {
		if l.at+int64(len(l.group)) > bareBytes {
			l.at = 0
		}
		if _, err := l.file.WriteAt(l.group, l.at); err != nil {
			return nil, err
		}
		if err := syncData(l.file); err != nil {
			return nil, err
		}
		l.at += int64(len(l.group))
		took = clock.Ns(cpu.End() - began)
	}
	mean := float64(took) / float64(n)
	how := fmt.Sprintf("pwrite of %d bytes and fdatasync, one after the other, before each trial: the mean", len(l.group))
	return &record.Floor{Name: "write_sync", Ns: mean, Low: mean, High: mean, N: n, How: how}, nil
}
