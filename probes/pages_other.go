//go:build !linux

package probes

import "eventstreamcore/engine/cpu"

func mapBytes(n int) (bytes []byte, release func() error, err error) {
	return make([]byte, n), func() error { return nil }, nil
}

func bindTo([]byte, int) error { return cpu.ErrUnsupported }

func nodesOf([]byte) (map[int]int, error) { return nil, cpu.ErrUnsupported }
