//go:build !linux

package memory

import "eventstreamcore/engine/cpu"

func bind([]byte, int) error { return cpu.ErrUnsupported }

func nodesOf([]byte) (map[int]int, error) { return nil, cpu.ErrUnsupported }
