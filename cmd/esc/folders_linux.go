package main

import "golang.org/x/sys/unix"

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
