//go:build !linux

package probes

import (
	"time"

	"eventstreamcore/engine/cpu"
)

func kernelFloors(cpu.Clock, int, *int, time.Duration) ([]Floor, []string, error) {
	return nil, nil, cpu.ErrUnsupported
}
