//go:build !linux

package main

import "eventstreamcore/engine/cpu"

func isTmpfs(string) bool { return false }

func freeSpace(string) (int64, error) { return 0, cpu.ErrUnsupported }

// hold never takes a folder, so that nobody's is removed.
func hold(string) (let func(), held bool) { return func() {}, false }
