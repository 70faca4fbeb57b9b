package drive

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

// fullPause is how many PAUSEs pass before a full window is tried again: about a
// microsecond, in which the receiver reads some dozen events.
const fullPause = 64

// pollWrite writes all of b without ever sleeping, unless it is cancelled. full
// counts how often it found the window full.
func pollWrite(c *net.TCPConn, b []byte, cancelled *atomic.Bool) (n int, full uint64, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var failure error
	err = raw.Write(func(fd uintptr) bool {
		for n < len(b) && failure == nil {
			m, err := unix.Write(int(fd), b[n:])
			n += max(m, 0)
			switch {
			case err == unix.EAGAIN && cancelled.Load():
				failure = context.Canceled
			case err == unix.EAGAIN:
				full++
				cpu.Pause(fullPause)
			case err != nil && err != unix.EINTR:
				failure = err
			}
		}
		return true
	})
	return n, full, errors.Join(err, failure)
}
