//go:build !linux

package probes

import (
	"time"

	"eventstreamcore/engine/cpu"
)

func streamLoopback(cpu.Clock, int, int, time.Duration) ([]float64, error) {
	return nil, cpu.ErrUnsupported
}
