package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// isTmpfs reports whether dir lies on a tmpfs.
func isTmpfs(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && int64(fs.Type) == unix.TMPFS_MAGIC
}

// freeSpace is the bytes that an ordinary user may still write there.
func freeSpace(dir string) (int64, error) {
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	return int64(fs.Bavail) * int64(fs.Bsize), err
}

// hold takes dir for this process, until let or its end, unless another holds it.
func hold(dir string) (let func(), held bool) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}, false
	}
	held = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	if !held {
		_ = f.Close() // it was only read
		return func() {}, false
	}
	return func() { _ = f.Close() }, true
}
