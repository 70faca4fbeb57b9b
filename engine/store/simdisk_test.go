package store

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"unsafe"
)

// sector is what a power cut keeps or loses whole.
const sector = 512

// simDisk is a disk in memory that knows what it has promised. Until a sync, a
// power cut may keep or lose every sector written, every change of a size, and
// every change of a name, in any combination.
type simDisk struct {
	names   map[string]*inode // as the process sees them
	lasting map[string]*inode // as of the last SyncDir
	changes []change          // since then

	calls  int
	before func(call string) error // may fail a call; nil never does
	after  func(call string)       // sees the disk after each call that changed it
	space  int64                   // bytes left, -1 for no limit
	owner  *simLock
}

// change is one change of names; a rename sets one and clears the other.
type change struct {
	set, clear string
	node       *inode
}

type inode struct {
	data  []byte           // as the process sees it
	disk  []byte           // what is certain to be there
	fresh map[int][][]byte // sectors written since the last sync: each content they had
	limbo map[int][][]byte // those that a failed sync left clean: synced no more until written again
	lent  bool             // data is another's: to be copied before it is written
}

const errNoSpace = syscall.ENOSPC

type simLock struct{ d *simDisk }

func newSimDisk() *simDisk {
	return &simDisk{names: map[string]*inode{}, lasting: map[string]*inode{}, space: -1}
}

// call counts a call and fails it if the test says so.
func (d *simDisk) call(what string) error {
	d.calls++
	if d.before != nil {
		if err := d.before(what); err != nil {
			return &fs.PathError{Op: what, Path: "sim", Err: err}
		}
	}
	return nil
}

func (d *simDisk) done(what string) {
	if d.after != nil {
		d.after(what)
	}
}

func (d *simDisk) Lock() (io.Closer, error) {
	if d.owner != nil {
		return nil, ErrLocked
	}
	d.owner = &simLock{d}
	return d.owner, nil
}

func (l *simLock) Close() error {
	if l.d.owner == l {
		l.d.owner = nil
	}
	return nil
}

func (d *simDisk) Locked() (bool, error) { return d.owner != nil, nil }

func (d *simDisk) List() ([]string, error) { return slices.Sorted(maps.Keys(d.names)), nil }

func (d *simDisk) Open(name string) (file, error) {
	n, ok := d.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &simFile{d, n}, nil
}

// OpenDirect's files refuse what a disk would refuse.
func (d *simDisk) OpenDirect(name string) (file, error) {
	n, ok := d.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &directFile{simFile{d, n}}, nil
}

type directFile struct{ simFile }

func (f *directFile) WriteAt(b []byte, at int64) (int, error) {
	if at%directBlock != 0 || len(b)%directBlock != 0 || uintptr(unsafe.Pointer(&b[0]))%directBlock != 0 {
		panic(fmt.Sprintf("write of %d bytes at %d past the cache", len(b), at))
	}
	return f.simFile.WriteAt(b, at)
}

func (d *simDisk) OpenRead(name string) (file, error) { return d.Open(name) }

func (d *simDisk) Create(name string) (file, error) {
	if err := d.call("create"); err != nil {
		return nil, err
	}
	n := &inode{fresh: map[int][][]byte{}, limbo: map[int][][]byte{}}
	d.names[name] = n
	d.changes = append(d.changes, change{set: name, node: n})
	d.done("create")
	return &simFile{d, n}, nil
}

func (d *simDisk) Rename(from, to string) error {
	if err := d.call("rename"); err != nil {
		return err
	}
	n, ok := d.names[from]
	if !ok {
		return fs.ErrNotExist
	}
	delete(d.names, from)
	d.names[to] = n
	d.changes = append(d.changes, change{set: to, clear: from, node: n})
	d.done("rename")
	return nil
}

func (d *simDisk) Remove(name string) error {
	if err := d.call("remove"); err != nil {
		return err
	}
	if n, ok := d.names[name]; ok {
		delete(d.names, name)
		d.changes = append(d.changes, change{clear: name, node: n})
		d.free(n)
	}
	d.done("remove")
	return nil
}

func (d *simDisk) free(n *inode) {
	if d.space >= 0 {
		d.space += int64(len(n.data))
	}
}

func (d *simDisk) SyncDir() error {
	if err := d.call("syncdir"); err != nil {
		return err
	}
	d.lasting, d.changes = maps.Clone(d.names), nil
	d.done("syncdir")
	return nil
}

type simFile struct {
	d *simDisk
	*inode
}

func (f *simFile) Close() error         { return nil }
func (f *simFile) Size() (int64, error) { return int64(len(f.data)), nil }

func (f *simFile) ReadAt(b []byte, at int64) (int, error) {
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *simFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.d.call("write"); err != nil {
		return 0, err
	}
	whole := len(b)
	if grown := at + int64(len(b)) - int64(len(f.data)); grown > 0 && f.d.space >= 0 {
		if grown > f.d.space { // it takes what fits
			b = b[:max(0, int64(len(b))-(grown-f.d.space))]
		}
		f.d.space -= min(grown, f.d.space)
	}
	f.put(b, at)
	f.d.done("write")
	if len(b) < whole {
		return len(b), errNoSpace
	}
	return whole, nil
}

// put writes and notes every sector that changed.
func (f *inode) put(b []byte, at int64) {
	f.own()
	if end := at + int64(len(b)); end > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, end-int64(len(f.data)))...)
	}
	copy(f.data[at:], b)
	for s := int(at / sector); s*sector < int(at)+len(b); s++ {
		f.touch(s)
	}
}

func (f *inode) own() {
	if f.lent {
		f.data, f.lent = slices.Clone(f.data), false
	}
}

func (f *inode) touch(s int) {
	now := slices.Clone(f.data[min(s*sector, len(f.data)):min((s+1)*sector, len(f.data))])
	now = append(now, make([]byte, sector-len(now))...)
	past := append(f.limbo[s], f.fresh[s]...)
	delete(f.limbo, s)
	if len(past) == 0 && bytes.Equal(now, f.on(s)) {
		return
	}
	for _, p := range past {
		if bytes.Equal(p, now) {
			f.fresh[s] = past
			return
		}
	}
	f.fresh[s] = append(past, now)
}

// on is sector s as it is on the disk for certain.
func (f *inode) on(s int) []byte {
	b := make([]byte, sector)
	if s*sector < len(f.disk) {
		copy(b, f.disk[s*sector:])
	}
	return b
}

func (f *simFile) Truncate(size int64) error {
	if err := f.d.call("truncate"); err != nil {
		return err
	}
	f.own()
	old := len(f.data)
	if int(size) > old {
		f.data = append(f.data, make([]byte, int(size)-old)...)
	} else {
		if f.d.space >= 0 {
			f.d.space += int64(old) - size
		}
		f.data = f.data[:size:size]
		for s := int(size) / sector; s*sector < old; s++ {
			f.touch(s)
		}
	}
	f.d.done("truncate")
	return nil
}

func (f *simFile) Allocate(size int64) error {
	if err := f.d.call("allocate"); err != nil {
		return err
	}
	if grown := size - int64(len(f.data)); grown > 0 {
		if f.d.space >= 0 {
			if grown > f.d.space {
				return errNoSpace
			}
			f.d.space -= grown
		}
		f.own()
		f.data = append(f.data, make([]byte, grown)...)
	}
	f.d.done("allocate")
	return nil
}

func (f *simFile) Sync() error {
	if err := f.d.call("sync"); err != nil {
		for s, past := range f.fresh { // the kernel calls these clean now
			f.limbo[s] = past
		}
		clear(f.fresh)
		return err
	}
	disk := make([]byte, len(f.data))
	copy(disk, f.disk[:min(len(f.disk), len(disk))])
	for s := range f.fresh {
		if s*sector < len(f.data) {
			copy(disk[s*sector:min((s+1)*sector, len(disk))], f.data[s*sector:])
		}
	}
	f.disk = disk
	clear(f.fresh)
	f.d.done("sync")
	return nil
}

// crash is the disk as a power cut now might leave it: choose is asked, for
// every sector, size and name that is not certain, which of n states it takes.
func (d *simDisk) crash(choose func(n int) int) *simDisk {
	left := newSimDisk()
	names := maps.Clone(d.lasting)
	for _, c := range d.changes {
		if choose(2) == 0 {
			continue
		}
		if c.clear != "" && names[c.clear] == c.node {
			delete(names, c.clear)
		}
		if c.set != "" {
			maps.DeleteFunc(names, func(_ string, n *inode) bool { return n == c.node }) // a file has one name
			names[c.set] = c.node
		}
	}
	nodes := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old := names[name]
		if nodes[old] == nil {
			nodes[old] = old.crash(choose)
		}
		left.names[name] = nodes[old]
	}
	left.lasting = maps.Clone(left.names)
	return left
}

func (f *inode) crash(choose func(n int) int) *inode {
	size := len(f.disk)
	if len(f.data) != size && choose(2) == 1 {
		size = len(f.data)
	}
	b := f.disk
	if size != len(b) || len(f.fresh)+len(f.limbo) > 0 {
		b = make([]byte, max(size, len(f.disk)))
		copy(b, f.disk)
	}
	unsure := maps.Clone(f.fresh)
	for s, past := range f.limbo {
		unsure[s] = append(slices.Clone(past), unsure[s]...)
	}
	for _, s := range slices.Sorted(maps.Keys(unsure)) {
		if s*sector >= size {
			continue
		}
		if pick := choose(len(unsure[s]) + 1); pick > 0 {
			copy(b[s*sector:min((s+1)*sector, len(b))], unsure[s][pick-1])
		}
	}
	b = b[:size:size]
	return &inode{data: b, disk: b, lent: true, fresh: map[int][][]byte{}, limbo: map[int][][]byte{}}
}

// everyChoice calls try with a chooser for each combination of choices that it
// asks for, at most limit times, and returns how many there were.
func everyChoice(limit int, try func(choose func(n int) int)) (tried int) {
	var picks, radix []int
	for tried < limit {
		i := 0
		radix = radix[:0]
		try(func(n int) int {
			if i == len(picks) {
				picks = append(picks, 0)
			}
			radix = append(radix, n)
			i++
			return picks[i-1]
		})
		tried++
		picks = picks[:i]
		for i--; i >= 0; i-- {
			if picks[i]++; picks[i] < radix[i] {
				break
			}
			picks = picks[:i]
		}
		if i < 0 {
			return tried
		}
	}
	panic(fmt.Sprintf("more than %d states after one call", limit))
}
