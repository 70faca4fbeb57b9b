package probes

import (
	"time"

	"eventstreamcore/engine/cpu"
)

// Network times round trips of 64 bytes over loopback between a thread on CPU
// client and one on CPU server: TCP and UDP, both ends asleep in their reads and
// both ends polling.
func Network(clock cpu.Clock, client, server int, budget time.Duration) ([]Floor, error) {
	return roundTrips(clock, client, server, budget)
}

const messageBytes = 64
