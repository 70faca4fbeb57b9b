//go:build !linux

package ingest

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
)

// Worker reads the frames of its connections: on Linux only.
type Worker struct {
	Counts  Counts
	answers []*bus.Lane
	owed    atomic.Int64
	drained atomic.Bool
}

type conn struct{}

func newWorker(*TCP, *Intake, int, int) (*Worker, error) {
	return nil, fmt.Errorf("frame port: %w", cpu.ErrUnsupported)
}

// Step has nothing to do here.
func (w *Worker) Step(cpu.Ticks) int { return 0 }

// Sleep does not wait here.
func (w *Worker) Sleep(time.Duration) {}

// Wake wakes no one here.
func (w *Worker) Wake() {}

func (w *Worker) close() error { return nil }

func (w *Worker) abandon() {}

func (t *TCP) accept() {}

// UDPCounts are those of no datagrams.
func (w *Worker) UDPCounts() *UDPCounts { return nil }

func (w *Worker) listenUDP(*net.UDPConn, Datagrams, *Intake) error { return cpu.ErrUnsupported }

func sharePort(uintptr) error { return cpu.ErrUnsupported }

// Identity is not known here.
func Identity() (bootID string, timeNamespace uint64, err error) {
	return "", 0, fmt.Errorf("identity of the clock: %w", cpu.ErrUnsupported)
}
