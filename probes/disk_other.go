//go:build !linux

package probes

import (
	"time"

	"eventstreamcore/engine/cpu"
)

func writeSync(cpu.Clock, string, int, time.Duration) ([]float64, error) {
	return nil, cpu.ErrUnsupported
}

func diskFloors(cpu.Clock, string, int, time.Duration) ([]Floor, []string, error) {
	return nil, nil, cpu.ErrUnsupported
}
