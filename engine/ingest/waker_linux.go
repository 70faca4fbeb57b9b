package ingest

import (
	"sync"

	"golang.org/x/sys/unix"
)

// waker is an eventfd in a worker's poll. The lock is against closing it, after
// which its number may be another file's.
type waker struct {
	mu sync.Mutex
	fd int
}

func (a *waker) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := [8]byte{1}
	unix.Write(a.fd, one[:]) // fails only when closed, or when 2^64 wake-ups are due
}

func (a *waker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	unix.Close(a.fd)
	a.fd = -1
}
