package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// freeWanted is the least free space that a bench starts with, on the disk of
// its results and on the scratch folder's: its own data is capped at 1 GiB.
const freeWanted = 4 << 30

// tmpfs is where Linux keeps one.
const tmpfs = "/dev/shm"

// benchFolders makes the folders for logs under test, one on tmpfs and one on
// the disk of the results, and returns how to remove them.
func benchFolders(f benchFlags) (scratch, disk string, clean func() error, err error) {
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return "", "", nil, fmt.Errorf("folder for results: %w", err)
	}
	parent := f.scratch
	if parent == "" {
		parent = tmpfs
		if !isTmpfs(parent) {
			parent = f.out
		}
	}
	for _, dir := range []string{f.out, parent} {
		if free, err := freeSpace(dir); err == nil && free < freeWanted {
			return "", "", nil, exit(exitUnmeasured, fmt.Errorf("%s has %d MiB free, a run wants %d: make room, or choose another folder with --out and --scratch", dir, free>>20, freeWanted>>20))
		}
	}
	if scratch, err = os.MkdirTemp(parent, "esc-bench-"); err != nil {
		return "", "", nil, fmt.Errorf("folder for logs under test: %w", err)
	}
	if disk, err = os.MkdirTemp(f.out, ".bench-"); err != nil {
		return "", "", nil, errors.Join(fmt.Errorf("folder for logs under test: %w", err), os.RemoveAll(scratch))
	}
	if disk, err = filepath.Abs(disk); err != nil {
		return "", "", nil, err
	}
	return scratch, disk, func() error { return errors.Join(os.RemoveAll(scratch), os.RemoveAll(disk)) }, nil
}
