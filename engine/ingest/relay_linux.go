package ingest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// relay ends a client's TLS and passes the plain bytes to a worker, and its
// answers back, over a socket pair: the worker's side is a connection like any
// other. Two goroutines and two more copies for each connection: this is not
// the way of nanoseconds.
func (t *TCP) relay(c *net.TCPConn, remote netip.AddrPort) {
	defer c.Close()
	if !t.track(c) {
		<-t.handshakes
		t.leave(remote.Addr())
		return
	}
	defer t.untrack(c)
	secure, near, err := t.shake(c, remote)
	<-t.handshakes
	if err != nil {
		t.leave(remote.Addr())
		t.refuse(remote, "no TLS", err)
		return
	}
	defer near.Close()
	inward := make(chan struct{})
	go func() {
		defer close(inward)
		io.Copy(near, secure)
		near.CloseWrite() // the worker answers what it has, then closes
	}()
	io.Copy(secure, near)
	secure.Close() // with a close_notify; it also ends the other direction
	<-inward
}

// shake runs the handshake and makes the socket pair, of which near is this end.
func (t *TCP) shake(c *net.TCPConn, remote netip.AddrPort) (*tls.Conn, *net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.config.Limits.Handshake)
	defer cancel()
	secure := tls.Server(c, t.config.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	file := os.NewFile(uintptr(pair[0]), "relay")
	defer file.Close()
	near, err := net.FileConn(file)
	if err != nil {
		unix.Close(pair[1])
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	t.give(pair[1], remote)
	return secure, near.(*net.UnixConn), nil
}

// track notes what Close is to close; false when it has begun.
func (t *TCP) track(c io.Closer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping.Load() {
		return false
	}
	t.relayed[c] = struct{}{}
	return true
}

func (t *TCP) untrack(c io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.relayed, c)
}
