package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Config says where to listen and what a client may do.
type Config struct {
	// Address is host:port; port 0 lets the system choose. Off loopback it is
	// refused unless Insecure, for whoever reaches the port may publish.
	Address  string
	Insecure bool

	// Connections is how many there may be at once, 1 to 16,000, default 1,024;
	// PerAddress of them from one client address, default 64. One more is closed
	// as soon as it is accepted.
	Connections, PerAddress int

	// FirstFrame bounds the time from accept to the first whole frame (default
	// 5 s), Completion that from a frame's first byte to its last (default 10 s),
	// Silence that between two frames (default 60 s; on loopback there is no such
	// bound, for a sender there may have nothing to say and the kernel's
	// keepalive knows whether it lives). Too short, and slow links are cut; too
	// long, and idle sockets hold connections that others need.
	FirstFrame, Completion, Silence time.Duration

	Clock cpu.Clock    // the counter's rate, for these bounds
	Log   *slog.Logger // where refused clients are named; nil is slog.Default
}

// Default is the configuration for an address, with the defaults above.
func Default(address string, clock cpu.Clock) Config {
	return Config{
		Address: address, Connections: 1024, PerAddress: 64,
		FirstFrame: 5 * time.Second, Completion: 10 * time.Second, Silence: 60 * time.Second,
		Clock: clock,
	}
}

// Validate judges the configuration.
func (c *Config) Validate() error {
	switch {
	case c.Connections < 1 || c.Connections > maxConnections:
		return fmt.Errorf("connections %d: must be 1 to %d", c.Connections, maxConnections)
	case c.PerAddress < 1:
		return fmt.Errorf("connections per address %d: must be at least 1", c.PerAddress)
	case c.FirstFrame <= 0 || c.Completion <= 0 || c.Silence <= 0:
		return fmt.Errorf("first frame %v, completion %v and silence %v must be over 0", c.FirstFrame, c.Completion, c.Silence)
	case c.Clock.Hz <= 0:
		return errors.New("clock is not calibrated")
	}
	return nil
}

const maxConnections = 16_000

// Counts are the TCP side's own; each is written by one goroutine.
type Counts struct {
	Accepted   metrics.Counter // connections
	Refused    metrics.Counter // connections over a limit
	Closed     metrics.Counter // connections that ended, for whatever reason
	Held       metrics.Counter // times that a worker stopped reading, for want of room
	Cut        metrics.Counter // frames that a connection's end cut short
	Late       metrics.Counter // connections closed for taking too long
	Foreign    metrics.Counter // connections that spoke HTTP or TLS
	Malformed  [wire.Statuses]metrics.Counter
	Complaints metrics.Counter // log lines held back by the rate limit
}

// TCP listens for frames and hands accepted connections to its workers.
type TCP struct {
	Workers []*Worker
	Address netip.AddrPort // where it really listens

	config   Config
	listener *net.TCPListener
	accepted sync.WaitGroup
	counts   Counts // the acceptor's: Accepted, Refused
	stopping atomic.Bool

	mu      sync.Mutex
	clients map[netip.Addr]int // connections by client address
	total   int
}

// Listen opens the port and makes one worker an intake. The workers do nothing
// until they are stepped.
func Listen(c Config, intakes ...*Intake) (*TCP, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("frame port: %w", err)
	}
	if len(intakes) == 0 {
		return nil, errors.New("frame port: no worker to hand connections to")
	}
	listener, address, err := open(c)
	if err != nil {
		return nil, err
	}
	t := &TCP{config: c, listener: listener, Address: address, clients: make(map[netip.Addr]int)}
	for i, in := range intakes {
		w, err := newWorker(t, in, i)
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.Workers = append(t.Workers, w)
	}
	t.accepted.Go(t.accept)
	return t, nil
}

// open binds the address.
func open(c Config) (*net.TCPListener, netip.AddrPort, error) {
	resolved, err := net.ResolveTCPAddr("tcp", c.Address)
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("frame port %s: want HOST:PORT: %w", c.Address, err)
	}
	if !c.Insecure && !resolved.IP.IsLoopback() {
		return nil, netip.AddrPort{}, fmt.Errorf("frame port %s is not on loopback, where anyone could publish: listen on 127.0.0.1, or say --insecure", c.Address)
	}
	listener, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, netip.AddrPort{}, fmt.Errorf("frame port %s is in use: stop what listens there, or choose another address with --addr: %w", c.Address, err)
	}
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("frame port %s: %w", c.Address, err)
	}
	return listener, listener.Addr().(*net.TCPAddr).AddrPort(), nil
}

// accept hands connections to the workers until the listener is closed.
func (t *TCP) accept() {
	for {
		c, err := t.listener.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, as a rule: it may pass
			t.config.Log.Error("frame port cannot accept: raise the limit of open files (ulimit -n)", "address", t.Address, "err", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		t.admit(c)
	}
}

// admit gives the connection to the worker with the fewest, or closes it.
func (t *TCP) admit(c *net.TCPConn) {
	defer c.Close() // the worker has a descriptor of its own
	remote := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	if why := t.enter(remote.Addr()); why != "" {
		t.counts.Refused.Add(1)
		t.config.Log.Warn("frame port refuses a connection", "client", remote, "why", why)
		return
	}
	t.counts.Accepted.Add(1)
	least := t.Workers[0]
	for _, w := range t.Workers {
		if w.load.Load() < least.load.Load() {
			least = w
		}
	}
	if err := least.take(c, remote); err != nil {
		t.leave(remote.Addr())
		t.config.Log.Error("frame port cannot take a connection", "client", remote, "err", err)
	}
}

// enter counts a client in, or says why it may not come in.
func (t *TCP) enter(client netip.Addr) (refusal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopping.Load():
		return "stopping"
	case t.total >= t.config.Connections:
		return fmt.Sprintf("%d connections are open, which is the limit", t.total)
	case t.clients[client] >= t.config.PerAddress:
		return fmt.Sprintf("%d connections are open from this address, which is the limit", t.clients[client])
	}
	t.total++
	t.clients[client]++
	return ""
}

func (t *TCP) leave(client netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.clients[client]--; t.clients[client] == 0 {
		delete(t.clients, client)
	}
}

// Stop lets in no more connections. The workers, stepped on, still take what
// clients had sent by then, for a v1 client was never told that it had not
// arrived; one that sends on is cut off after 8 MiB.
func (t *TCP) Stop() {
	t.stopping.Store(true)
	t.listener.Close()
	for _, w := range t.Workers {
		w.Wake()
	}
}

// Drained reports, after Stop, whether the workers have read and handed over all that.
func (t *TCP) Drained() bool {
	for _, w := range t.Workers {
		if !w.drained.Load() {
			return false
		}
	}
	return true
}

// Close ends every connection. The workers must no longer be stepped.
func (t *TCP) Close() error {
	t.Stop()
	t.accepted.Wait()
	var errs []error
	for _, w := range t.Workers {
		errs = append(errs, w.close())
	}
	return errors.Join(errs...)
}
