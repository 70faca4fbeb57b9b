package duty

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// parker sleeps on a futex: word is 1 when a wake-up is due.
type parker struct{ word atomic.Uint32 }

func newParker() Sleeper { return new(parker) }

// From linux/futex.h.
const (
	futexWait    = 0 | futexPrivate
	futexWake    = 1 | futexPrivate
	futexPrivate = 128
)

func (p *parker) Sleep(max time.Duration) {
	if p.word.Load() == 0 {
		timeout := unix.NsecToTimespec(max.Nanoseconds())
		// Every way of returning (woken, interrupted, timed out, word already
		// set) ends the sleep, so the result is of no interest.
		unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&p.word)), futexWait, 0, uintptr(unsafe.Pointer(&timeout)), 0, 0)
	}
	p.word.Store(0)
}

func (p *parker) Wake() {
	if p.word.Swap(1) == 0 {
		unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&p.word)), futexWake, 1, 0, 0, 0)
	}
}
