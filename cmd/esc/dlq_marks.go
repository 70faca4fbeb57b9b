package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"eventstreamcore/engine/store"
)

// marksName is the file, beside the dead letters, that names those which were
// replayed: a line for each, "<sequence> <content checksum>".
const marksName = "replayed.txt"

// claimMarks keeps other replays of a data folder out until it is closed: they
// would send the same letters.
func claimMarks(data string) (io.Closer, error) {
	c, err := store.Claim(filepath.Join(store.DeadDir(data), marksName+".lock"))
	switch {
	case errors.Is(err, store.ErrLocked):
		err = exit(exitUsage, fmt.Errorf("the dead letters of %s are being replayed already: wait until that is done", data))
	case err != nil:
		err = exit(exitUnmeasured, fmt.Errorf("dead letters of %s: %w", data, err))
	}
	return c, err
}

// mark is a letter as the file names it. The checksum keeps a mark from being
// taken for that of another letter, where a crash took the end of the log and
// sequences were given out anew.
type mark struct {
	sequence uint64
	content  uint32
}

func markOf(e *store.Entry) mark { return mark{e.Sequence, e.Content} }

// readMarks reads which letters of a data folder were replayed. A last line that
// a crash cut short is none.
func readMarks(data string) (map[mark]bool, error) {
	f, err := os.Open(filepath.Join(store.DeadDir(data), marksName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	done := map[mark]bool{}
	for lines := bufio.NewReader(f); ; {
		var m mark
		if n, err := fmt.Fscanf(lines, "%d %08x\n", &m.sequence, &m.content); n < 2 || err != nil {
			return done, nil
		}
		done[m] = true
	}
}

// marks is the file, open to add to.
type marks struct {
	file *os.File
	line []byte
}

// openMarks opens the marks of a data folder with those in keep and no others:
// letters go in time, and their marks with them.
func openMarks(data string, keep []mark) (*marks, error) {
	path := filepath.Join(store.DeadDir(data), marksName)
	f, err := os.Create(path + ".new")
	if err != nil {
		return nil, err
	}
	m := &marks{file: f}
	if err := errors.Join(m.add(keep), os.Rename(path+".new", path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// add notes that the letters were replayed, and returns when that is on the disk.
func (m *marks) add(letters []mark) error {
	m.line = m.line[:0]
	for _, l := range letters {
		m.line = fmt.Appendf(m.line, "%d %08x\n", l.sequence, l.content)
	}
	_, err := m.file.Write(m.line)
	return errors.Join(err, m.file.Sync())
}

func (m *marks) close() error { return m.file.Close() }
