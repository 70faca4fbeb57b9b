//go:build !linux

package probes

import "eventstreamcore/engine/cpu"

func readUsage() usage { return usage{} }

// WatchContinues notes nothing here.
func WatchContinues() (continued func() []cpu.Ticks, stop func()) {
	return func() []cpu.Ticks { return nil }, func() {}
}
