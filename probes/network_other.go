//go:build !linux

package probes

import (
	"time"

	"eventstreamcore/engine/cpu"
)

func roundTrips(cpu.Clock, int, int, time.Duration) ([]Floor, error) { return nil, cpu.ErrUnsupported }
