//go:build !linux

package ingest

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
)

// Worker reads the frames of its connections: on Linux only.
type Worker struct {
	Counts  Counts
	load    atomic.Int32
	drained atomic.Bool
}

type conn struct{}

func newWorker(*TCP, *Intake, int) (*Worker, error) {
	return nil, fmt.Errorf("frame port: %w", cpu.ErrUnsupported)
}

// Step has nothing to do here.
func (w *Worker) Step(cpu.Ticks) int { return 0 }

// Sleep does not wait here.
func (w *Worker) Sleep(time.Duration) {}

// Wake wakes no one here.
func (w *Worker) Wake() {}

func (w *Worker) take(*net.TCPConn, netip.AddrPort) error { return cpu.ErrUnsupported }

func (w *Worker) close() error { return nil }
