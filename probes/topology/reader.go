package topology

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	cpuRoot  = "sys/devices/system/cpu"
	nodeRoot = "sys/devices/system/node"

	fileMax   = 1 << 20 // bytes; /proc/cpuinfo of 4,096 CPUs is not read here
	doubtsMax = 64      // a garbled tree of 4,096 CPUs must not list 100,000
)

// reader reads small files below one root. Thousands of CPUs repeat the same
// lists, so each text is parsed once. It may be used from several goroutines.
type reader struct {
	fsys fs.FS

	packages, cores map[int]shared // of /proc/cpuinfo, where sys is missing

	mu     sync.Mutex
	lists  map[string]List
	doubts []string
}

func newReader(fsys fs.FS) *reader {
	return &reader{fsys: fsys, lists: map[string]List{}, doubts: []string{}}
}

// doubt notes what is odd.
func (r *reader) doubt(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.doubts) < doubtsMax:
		r.doubts = append(r.doubts, fmt.Sprintf(format, args...))
	case len(r.doubts) == doubtsMax:
		r.doubts = append(r.doubts, "and more")
	}
}

// bufferBytes takes nearly every file whole, a mask of 4,096 CPUs among them.
const bufferBytes = 1536

var buffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}

// raw is a file's content, cut at fileMax. Absence is silent; any other failure
// is a doubt.
func (r *reader) raw(path string) (text string, ok bool) {
	var err error
	if q, isQuick := r.fsys.(quick); isQuick {
		text, err = q.readSmall(path, fileMax)
	} else {
		text, err = readLimited(r.fsys, path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.doubt("%s cannot be read: %v", path, err)
	}
	return text, err == nil
}

func readLimited(fsys fs.FS, path string) (string, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileMax))
	return string(text), err
}

// trimmed is text without the white space and NUL bytes round it.
func trimmed(text string) string { return strings.Trim(text, " \t\r\n\x00") }

// number is a file that holds one integer, in any base that Go writes.
func (r *reader) number(path string) *int {
	text, ok := r.raw(path)
	if !ok || trimmed(text) == "" {
		return nil
	}
	n, err := strconv.Atoi(trimmed(text))
	if err != nil {
		r.doubt("%s: %.20q is not a number", path, trimmed(text))
		return nil
	}
	return &n
}

// id is a number that is an id: a negative one is none.
func (r *reader) id(path string) *int {
	n := r.number(path)
	if n != nil && *n < 0 {
		return nil
	}
	return n
}

// list is a file in list format.
func (r *reader) list(path string) (List, bool) {
	text, ok := r.raw(path)
	if !ok {
		return nil, false
	}
	return r.parse(path, text, ParseList)
}

func (r *reader) parse(path, text string, parse func(string) (List, error)) (List, bool) {
	r.mu.Lock()
	list, known := r.lists[text]
	r.mu.Unlock()
	if known {
		return list, true
	}
	list, err := parse(text)
	if err != nil {
		r.doubt("%s: %v", path, err)
		return nil, false
	}
	r.mu.Lock()
	r.lists[text] = list
	r.mu.Unlock()
	return list, true
}

// set is a set that the kernel gives as a mask and, since 2.6.25, as a list. The
// mask is believed: captured trees were cut down by their masks, and other
// readers go by them.
func (r *reader) set(mask, list string) (List, bool) {
	if text, ok := r.raw(mask); ok {
		if set, ok := r.parse(mask, maskMark+text, parseMarkedMask); ok {
			return set, true
		}
	}
	return r.list(list)
}

// maskMark tells a mask from a list of the same text among those parsed.
const maskMark = "mask "

func parseMarkedMask(text string) (List, error) { return parseMask(text[len(maskMark):]) }

// optional is a list file whose absence means that the kernel does not say.
func (r *reader) optional(path string) *List {
	list, ok := r.list(path)
	if !ok {
		return nil
	}
	return &list
}

// numbered lists the entries of a folder that are prefix and a number.
func (r *reader) numbered(dir, prefix string) List {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.doubt("%s cannot be listed: %v", dir, err)
	}
	numbers := List{}
	for _, e := range entries {
		digits, found := strings.CutPrefix(e.Name(), prefix)
		if !found {
			continue
		}
		if n, err := parseNumber(digits); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// bytes is a size such as "32K", "8M" or "1048576".
func (r *reader) bytes(path string) *int64 {
	text, ok := r.raw(path)
	text = trimmed(text)
	if !ok || text == "" {
		return nil
	}
	unit := int64(1)
	if i := strings.IndexByte("KMG", text[len(text)-1]); i >= 0 {
		unit, text = 1<<(10*(i+1)), text[:len(text)-1]
	}
	n, err := strconv.ParseInt(text, 10, 40)
	if err != nil || n < 0 {
		r.doubt("%s: %.20q is not a size", path, text)
		return nil
	}
	if n == 0 {
		return nil // the kernel's word for unknown
	}
	n *= unit
	return &n
}

// positive is a number of which 0 and less mean unknown.
func (r *reader) positive(path string) *int {
	n := r.number(path)
	if n != nil && *n <= 0 {
		return nil
	}
	return n
}

// verbatim is the kernel's lists as it wrote them.
func (r *reader) verbatim() map[string]*string {
	files := map[string]*string{}
	for _, name := range []string{"online", "offline", "isolated", "nohz_full", "present", "possible", "kernel_max"} {
		files[name] = r.line(cpuRoot + "/" + name)
	}
	for _, name := range []string{"online", "possible"} {
		files["node_"+name] = r.line(nodeRoot + "/" + name)
	}
	return files
}

// line is a file without the white space round it; its NUL bytes stay.
func (r *reader) line(path string) *string {
	text, ok := r.raw(path)
	if !ok {
		return nil
	}
	text = strings.TrimSpace(text)
	return &text
}
