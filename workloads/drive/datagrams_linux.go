package drive

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
)

// datagramBatch is how many datagrams go into one sendmmsg.
const datagramBatch = 64

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

// sendDatagrams sends each frame of b as a datagram: ends is where they end.
func sendDatagrams(c *net.UDPConn, b []byte, ends []int, cancelled *atomic.Bool) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var messages [datagramBatch]message
	var vectors [datagramBatch]unix.Iovec
	var failure error
	err = raw.Write(func(fd uintptr) bool {
		for len(ends) > 0 && failure == nil {
			batch := ends[:min(len(ends), datagramBatch)]
			from := n
			for i, end := range batch {
				vectors[i].Base = &b[from]
				vectors[i].SetLen(end - from)
				messages[i].header.Iov = &vectors[i]
				messages[i].header.SetIovlen(1)
				from = end
			}
			r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&messages[0])), uintptr(len(batch)), unix.MSG_DONTWAIT, 0, 0)
			if errno == 0 {
				n = ends[r-1]
				ends = ends[r:]
				continue
			}
			failure = again(errno, cancelled)
		}
		return true
	})
	return n, errors.Join(err, failure)
}

// again pauses if the kernel has no room at the moment, else it is the error.
func again(errno unix.Errno, cancelled *atomic.Bool) error {
	switch {
	case cancelled.Load():
		return context.Canceled
	case errno == unix.EAGAIN || errno == unix.ENOBUFS || errno == unix.EINTR:
		cpu.Pause(fullPause)
		return nil
	}
	return errno
}
