package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
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
	scratch, dropScratch, err := ownFolder(parent, "esc-bench-")
	if err != nil {
		return "", "", nil, err
	}
	disk, dropDisk, err := ownFolder(f.out, ".bench-")
	if err != nil {
		return "", "", nil, errors.Join(err, dropScratch())
	}
	return scratch, disk, func() error { return errors.Join(dropScratch(), dropDisk()) }, nil
}

// leftoverAge is how old a folder is at least before it counts as left over: its
// owner holds it from the moment after it is made.
const leftoverAge = time.Minute

// ownFolder makes a folder of the prefix below parent, and drops it. It is held while
// its process lives, so that those of processes that were killed are known, and
// removed here: on a tmpfs each would take memory until the machine starts anew.
func ownFolder(parent, prefix string) (dir string, drop func() error, err error) {
	others, _ := filepath.Glob(filepath.Join(parent, prefix+"*")) // no pattern of ours is malformed
	for _, left := range others {
		if info, err := os.Stat(left); err != nil || !info.IsDir() || time.Since(info.ModTime()) < leftoverAge {
			continue
		}
		if let, held := hold(left); held {
			_ = os.RemoveAll(left) // another user's stays
			let()
		}
	}
	if dir, err = os.MkdirTemp(parent, prefix); err != nil {
		return "", nil, fmt.Errorf("folder for logs under test: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	let, _ := hold(dir)
	return dir, func() error { defer let(); return os.RemoveAll(dir) }, nil
}
