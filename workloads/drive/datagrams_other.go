//go:build !linux

package drive

import (
	"net"
	"sync/atomic"
)

// sendDatagrams sends each frame of b as a datagram: ends is where they end.
func sendDatagrams(c *net.UDPConn, b []byte, ends []int, _ *atomic.Bool) (n int, err error) {
	for _, end := range ends {
		m, err := c.Write(b[n:end])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}
