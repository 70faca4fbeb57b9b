package ingest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Counts are the TCP side's own. Each counter has one writer: a worker, or the
// acceptor.
type Counts struct {
	Accepted   metrics.Counter                // connections
	Refused    metrics.Counter                // connections over a limit, or whose TLS handshake failed
	Closed     metrics.Counter                // connections that ended, for whatever reason
	Held       metrics.Counter                // times that a worker stopped reading, for want of room
	Parked     metrics.Counter                // times that a connection was set aside while transactions are paused
	Cut        metrics.Counter                // frames that a connection's end cut short
	Late       metrics.Counter                // connections closed for taking too long
	Unreading  metrics.Counter                // connections closed for not reading their answers
	Foreign    metrics.Counter                // connections that spoke HTTP or TLS
	Answered   metrics.Counter                // answers sent
	Stray      metrics.Counter                // receipts that nobody had asked for: a bug in a stage
	Untimely   metrics.Counter                // trusted intended times in the future or over 60 s old
	Malformed  [wire.Statuses]metrics.Counter // connections closed for it
	Rejected   [wire.Reasons]metrics.Counter  // frames read and not taken
	Complaints metrics.Counter                // log lines held back by the rate limit
}

// TCP listens for frames and hands accepted connections to its workers.
type TCP struct {
	Workers []*Worker
	Address netip.AddrPort // where it really listens

	// Orders are the controller's, nil is none: while transactions pause, no
	// MEDIUM event is taken; frames that ask are answered paused, and the
	// connections of others are set aside. To be set before the workers are stepped.
	Orders *bus.Orders

	Counts Counts // the acceptor's: Accepted, Refused

	config     Config
	listener   *net.TCPListener
	accepted   sync.WaitGroup // the acceptor's goroutine and those of TLS connections
	handshakes chan struct{}
	stopping   atomic.Bool
	bootID     string
	namespace  uint64
	complaints complaints

	mu       sync.Mutex
	clients  map[netip.Addr]int // connections by client address
	total    int
	producer uint32
	relayed  map[io.Closer]struct{} // what Close must close to end the relays
}

// Listen opens the port and makes one worker an intake. The workers do nothing
// until they are stepped.
func Listen(c Config, intakes ...*Intake) (*TCP, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := c.Validate(len(intakes)); err != nil {
		return nil, fmt.Errorf("frame port: %w", err)
	}
	listener, address, err := open(c)
	if err != nil {
		return nil, err
	}
	t := &TCP{
		config: c, listener: listener, Address: address,
		clients: make(map[netip.Addr]int), relayed: make(map[io.Closer]struct{}),
		handshakes: make(chan struct{}, c.Limits.Handshakes), producer: rand.Uint32(),
	}
	t.complaints.init(c.Log, &t.Counts.Complaints)
	if t.bootID, t.namespace, err = Identity(); err != nil && c.TrustIntended {
		return nil, errors.Join(fmt.Errorf("intended times cannot be trusted: %w", err), t.Close())
	}
	for i, in := range intakes {
		w, err := newWorker(t, in, i, c.Limits.InFlight/len(intakes))
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
	guarded := c.TLS != nil && len(c.Tokens) > 0
	if !resolved.IP.IsLoopback() && !guarded && !c.Insecure {
		return nil, netip.AddrPort{}, fmt.Errorf("frame port %s is not on loopback, where anyone could publish: listen on 127.0.0.1, configure TLS and a token, or say --insecure", c.Address)
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

// Answers gives worker i one more lane of receipts (wire.NewReceipt), on which
// one stage answers events of that worker's pool. It must hold Questions of
// them, so that a push never fails. To be called before the worker is stepped.
func (t *TCP) Answers(i int, lane *bus.Lane) error {
	if lane.Cap() < Questions {
		return fmt.Errorf("lane of answers holds %d, may be asked for %d", lane.Cap(), Questions)
	}
	t.Workers[i].answers = append(t.Workers[i].answers, lane)
	return nil
}

// Questions is how many events of one worker may wait for their answers at once.
// One more waits in its socket.
const Questions = 1 << 16

// enter counts a client in, or says why it may not come in.
func (t *TCP) enter(client netip.Addr) (refusal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopping.Load():
		return "stopping"
	case t.total >= t.config.Limits.Connections:
		return fmt.Sprintf("%d connections are open, which is the limit", t.total)
	case t.clients[client] >= t.config.Limits.PerAddress:
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

// newProducer is a producer for a client that asks for one: 24 bits, not 0, and
// another for each until all have been given.
func (t *TCP) newProducer() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	const producers = 1<<24 - 1
	t.producer++
	return uint64(t.producer%producers) + 1
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

// Answered reports whether every event that asked for an answer has it, in its
// client's socket. It is meaningful once no more come in.
func (t *TCP) Answered() bool {
	for _, w := range t.Workers {
		if w.owed.Load() != 0 {
			return false
		}
	}
	return true
}

// Close ends every connection. The workers must no longer be stepped.
func (t *TCP) Close() error {
	t.Stop()
	var errs []error
	for _, w := range t.Workers {
		errs = append(errs, w.close())
	}
	t.mu.Lock()
	for c := range t.relayed {
		c.Close()
	}
	t.mu.Unlock()
	t.accepted.Wait()
	for _, w := range t.Workers {
		w.abandon()
	}
	t.complaints.close()
	return errors.Join(errs...)
}
