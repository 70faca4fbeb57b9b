//go:build !linux

package main

import "eventstreamcore/engine/cpu"

func isTmpfs(string) bool { return false }

func freeSpace(string) (int64, error) { return 0, cpu.ErrUnsupported }
