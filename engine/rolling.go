package engine

import (
	"bytes"
	"errors"
	"io"
	"os"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// rolling is a text file that is begun anew when it has half its bytes; the half
// before it is kept, with .1 behind its name.
type rolling struct {
	path string
	file *os.File
	size int64
	half int64
}

func openRolling(path string, bytes int64) (*rolling, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &rolling{path: path, file: f, size: info.Size(), half: bytes / 2}, nil
}

// Write appends whole lines.
func (r *rolling) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.size+int64(len(b)) > r.half && r.size > 0 {
		if err := r.roll(); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Write(b)
	r.size += int64(n)
	return n, err
}

func (r *rolling) roll() error {
	if err := errors.Join(r.file.Close(), os.Rename(r.path, r.path+".1")); err != nil {
		return err
	}
	next, err := openRolling(r.path, 2*r.half)
	if err == nil {
		*r = *next
	}
	return err
}

// Close lets the file go.
func (r *rolling) Close() error { return r.file.Close() }

// A text is written behind its log, so a process that dies leaves it short of the
// last lines. How many letters, and bytes of text, are compared to find out.
const (
	lettersCompared = 1 << 15
	textCompared    = 1 << 20
)

// catchUp appends the lines of those letters, up to the last of the log in dir,
// that come behind all that the text has. A line that was cut short goes first.
func (r *rolling) catchUp(dir string, last uint64) error {
	lines, err := r.tail()
	if err != nil {
		return err
	}
	letters, err := store.NewReader(dir)
	if err == nil && last > lettersCompared {
		err = letters.SeekSequence(last - lettersCompared)
	}
	if errors.Is(err, store.ErrNoLog) {
		return nil
	}
	if err != nil {
		return err
	}
	defer letters.Close()
	var missing []byte
	for e := range letters.All() {
		if e.Type != event.TypeDeadLetter {
			continue
		}
		from := len(missing)
		missing = process.AppendLetter(missing, &e.Record, e.Topic)
		if line := string(missing[from:]); lines[line] > 0 {
			lines[line]--
			missing = missing[:0]
		}
	}
	if over := int64(len(missing)) - r.half; over > 0 {
		missing = missing[over+int64(bytes.IndexByte(missing[over:], '\n'))+1:]
	}
	_, err = r.Write(missing)
	return errors.Join(err, letters.Err())
}

// tail counts the last lines of the text, also those before it was begun anew,
// and takes a line off that has no end.
func (r *rolling) tail() (lines map[string]int, err error) {
	text, err := tailOf(r.file, r.size)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if cut := int64(len(text) - whole); cut > 0 {
		r.size -= cut
		if err := r.file.Truncate(r.size); err != nil {
			return nil, err
		}
	}
	before, err := r.before()
	if err != nil {
		return nil, err
	}
	lines = map[string]int{}
	for line := range bytes.Lines(append(before, text[:whole]...)) {
		lines[string(line)]++
	}
	return lines, nil
}

// before is the end of the text as it was until it was begun anew, if it was.
func (r *rolling) before() ([]byte, error) {
	f, err := os.Open(r.path + ".1")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return tailOf(f, info.Size())
}

// tailOf is as much of the end of so many bytes as is compared.
func tailOf(from io.ReaderAt, size int64) ([]byte, error) {
	text := make([]byte, min(size, textCompared))
	_, err := from.ReadAt(text, size-int64(len(text)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}
