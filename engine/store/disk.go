package store

import (
	"errors"
	"io"
	"io/fs"
)

// disk is the file system as the log uses it: every call that can fail, tear or
// be forgotten by a power cut goes through here, so that tests can stand in a
// disk that does all three. Names are within the one folder that a disk is.
type disk interface {
	// Lock takes the folder for writing, or fails with ErrLocked; the lock goes
	// with its holder, however that ends. Locked asks without taking.
	Lock() (io.Closer, error)
	Locked() (bool, error)

	List() ([]string, error) // ascending
	Open(name string) (file, error)
	OpenRead(name string) (file, error)
	OpenDirect(name string) (file, error) // for aligned writes past the page cache
	Create(name string) (file, error)     // empty, whatever was there
	Rename(from, to string) error         // over what was there
	Remove(name string) error             // nil if it was not there
	SyncDir() error                       // makes creations, renames and removals last
}

// file is an open file. Sync makes its bytes and its size last, not its name.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error

	// Allocate extends the file to size bytes that read as zero and have their
	// place on the disk. Until they are written that is noted beside them.
	Allocate(size int64) error
	Sync() error
}

// readWhole reads a small file.
func readWhole(d disk, name string) ([]byte, error) {
	f, err := d.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// writeWhole makes a file that is there with all of b, or not at all.
func writeWhole(d disk, name string, b []byte) error {
	temporary := name + partSuffix
	f, err := d.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = d.Rename(temporary, name)
	}
	if err == nil {
		err = d.SyncDir()
	}
	return err
}

// isMissing reports whether err says that there is no such file.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
