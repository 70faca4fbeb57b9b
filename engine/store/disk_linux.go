package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// folder is the real disk: one directory.
type folder struct{ path string }

// openFolder is the folder at path, made if create is set.
func openFolder(path string, create bool) (disk, error) {
	if create {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("log folder: %w", err)
		}
		return folder{path}, syncPath(filepath.Dir(path))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("log folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("log folder: %s is a file: name the folder it is in", path)
	}
	return folder{path}, nil
}

func (d folder) at(name string) string { return filepath.Join(d.path, name) }

// ownerLock is the whole of the lock file, by open file description: it goes
// when the last of its descriptors is closed, so with the process, and a second
// Open in the same process meets it too.
var ownerLock = unix.Flock_t{Type: unix.F_WRLCK}

func (d folder) Lock() (io.Closer, error) { return Claim(d.at(lockName)) }

// Claim takes the lock of a file, which it makes if it is not there, and fails
// with ErrLocked where somebody has it, in whatever process. The lock goes when it
// is closed, or with the process.
func Claim(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	lock := ownerLock
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	return f, nil
}

func (d folder) Locked() (bool, error) {
	f, err := os.Open(d.at(lockName))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := ownerLock
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return false, fmt.Errorf("%s: asking for its lock: %w", d.path, err)
	}
	return lock.Type != unix.F_UNLCK, nil
}

func (d folder) List() ([]string, error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (d folder) open(name string, flags int) (file, error) {
	f, err := os.OpenFile(d.at(name), flags, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d folder) Open(name string) (file, error)     { return d.open(name, os.O_RDWR) }
func (d folder) OpenRead(name string) (file, error) { return d.open(name, os.O_RDONLY) }
func (d folder) OpenDirect(name string) (file, error) {
	return d.open(name, os.O_WRONLY|unix.O_DIRECT)
}
func (d folder) Create(name string) (file, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (d folder) Rename(from, to string) error { return os.Rename(d.at(from), d.at(to)) }

func (d folder) Remove(name string) error {
	if err := os.Remove(d.at(name)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (d folder) SyncDir() error { return syncPath(d.path) }

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// osFile is a real file.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync is fdatasync: it writes the size when that has changed, and leaves the
// times, which nothing here reads.
func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// Allocate falls back on a file with a hole where the file system has nothing
// better: it is full when the hole is written, then.
func (f osFile) Allocate(size int64) error {
	from, err := f.Size()
	if err != nil || from >= size {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, from, size-from)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return f.Truncate(size)
	}
	if err != nil {
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	return nil
}

// noDirect reports whether err says that a file cannot be written past the page
// cache.
func noDirect(err error) bool { return errors.Is(err, unix.EINVAL) }

// noSpace reports whether err says that the disk or the quota is full.
func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// space is what the file system of the folder has left for who is not root, and
// its size, in bytes.
func space(path string) (free, size uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
