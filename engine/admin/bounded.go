package admin

import (
	"net"
	"sync"
)

// bounded is a listener with at most so many connections open at once: the rest
// wait in the kernel's queue, so that this port cannot take the descriptors that
// the frame port needs.
type bounded struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newBounded(l net.Listener, most int) *bounded {
	return &bounded{Listener: l, room: make(chan struct{}, most), closed: make(chan struct{})}
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.room <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.room
		return nil, err
	}
	return &seat{Conn: c, leave: sync.OnceFunc(func() { <-b.room })}, nil
}

func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// seat is a connection that makes room when it closes.
type seat struct {
	net.Conn
	leave func()
}

func (s *seat) Close() error {
	err := s.Conn.Close()
	s.leave()
	return err
}
