//go:build !linux

package drive

import (
	"net"
	"sync/atomic"
)

// pollWrite leaves the waiting to the system: nothing can be pinned here.
func pollWrite(c *net.TCPConn, b []byte, _ *atomic.Bool) (n int, full uint64, err error) {
	n, err = c.Write(b)
	return n, 0, err
}
