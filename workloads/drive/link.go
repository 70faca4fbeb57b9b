package drive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/wire"
)

// Access is how to get in.
type Access struct {
	UDP   bool          // a datagram an event: no hello, no answers, and losses
	TLS   *tls.Config   // nil is plain
	Token ingest.Secret // "" is none; v2 over TCP only
}

// link is one connection to the server.
type link struct {
	net.Conn
	tcp   *net.TCPConn // nil unless it is a plain one
	udp   *net.UDPConn // nil unless it is one
	polls bool         // never sleeps while the server's window is full
}

// Connect opens a connection to a frame port as a load does: by TLS and with the
// token, if there are any, and after a hello.
func Connect(ctx context.Context, address string, a Access) (net.Conn, error) {
	s := Default(address)
	s.Access = a
	l, err := connect(ctx, &s)
	if err != nil {
		return nil, err
	}
	return l.Conn, nil
}

// connect opens a link, and says hello where frames are v2.
func connect(ctx context.Context, s *Spec) (*link, error) {
	l, err := dial(ctx, s)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("nothing listens on %s: start it with esc serve --addr %s", s.Address, s.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.Address, err)
	}
	l.polls = s.CPU != Unpinned
	if s.Version == wire.V2 && l.udp == nil {
		if err := l.greet(s); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

func dial(ctx context.Context, s *Spec) (*link, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	switch {
	case s.Access.UDP:
		c, err := d.DialContext(ctx, "udp", s.Address)
		if err != nil {
			return nil, err
		}
		return &link{Conn: c, udp: c.(*net.UDPConn)}, nil
	case s.Access.TLS != nil:
		c, err := (&tls.Dialer{NetDialer: d, Config: s.Access.TLS}).DialContext(ctx, "tcp", s.Address)
		if err != nil {
			return nil, err
		}
		return &link{Conn: c}, nil
	}
	c, err := d.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	return &link{Conn: c, tcp: c.(*net.TCPConn)}, nil
}

// greet says hello, so that the intended times may be trusted, and waits for the welcome.
func (l *link) greet(s *Spec) error {
	g := wire.Greeting{Token: []byte(s.Access.Token)}
	if boot, namespace, err := ingest.Identity(); err == nil { // else the times are merely not trusted
		g.BootID, g.TimeNamespace = []byte(boot), namespace
	}
	l.SetDeadline(time.Now().Add(dialTimeout))
	defer l.SetDeadline(time.Time{})
	if _, err := l.Write(g.Append(nil)); err != nil {
		return fmt.Errorf("hello to %s: %w", s.Address, err)
	}
	var answer [wire.AnswerSize]byte
	if _, err := io.ReadFull(l, answer[:]); err != nil {
		return fmt.Errorf("%s did not answer the hello (a server of v1 frames? use --frames 1; over a limit? see its log): %w", s.Address, err)
	}
	if _, status := wire.DecodeWelcome(answer[:]); status != wire.OK {
		a, _ := wire.DecodeAnswer(answer[:])
		return fmt.Errorf("%s refused the hello: %v: give the right token (--token-file)", s.Address, a.Reason)
	}
	return nil
}

// send writes all of b; ends is where each frame of it ends. full counts the
// looks at a full window, where it is looked at.
func (l *link) send(b []byte, ends []int, cancelled *atomic.Bool) (n int, full uint64, err error) {
	switch {
	case l.udp != nil:
		n, err = sendDatagrams(l.udp, b, ends, cancelled)
	case l.tcp != nil && l.polls:
		return pollWrite(l.tcp, b, cancelled)
	default:
		n, err = l.Write(b)
	}
	return n, 0, err
}

// endWrite tells the server that nothing more comes.
func (l *link) endWrite() error {
	if l.udp != nil {
		return nil
	}
	return l.Conn.(interface{ CloseWrite() error }).CloseWrite()
}
