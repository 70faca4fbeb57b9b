package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// Datagrams says where to take frames by UDP, one a datagram. UDP loses: when
// the engine has no room, or is too slow, the kernel drops what does not fit its
// buffer, and nobody is told. What can be seen of it is counted (UDPCounts).
// There are no answers and no tokens, so off loopback it needs Insecure.
type Datagrams struct {
	Address  string // host:port; port 0 lets the system choose
	Insecure bool
	Cap      event.Priority // the highest priority that may be claimed

	// Buffer is the kernel's receive buffer in bytes, 4 KiB to 1 GiB; it is what
	// rides out a pause. The kernel gives at most net.core.rmem_max.
	Buffer int
}

// DefaultDatagrams is the configuration for an address.
func DefaultDatagrams(address string) Datagrams {
	return Datagrams{Address: address, Cap: event.Critical, Buffer: 4 << 20}
}

// Validate judges the configuration.
func (d *Datagrams) Validate() error {
	if d.Buffer < 4<<10 || d.Buffer > 1<<30 {
		return fmt.Errorf("receive buffer of %d bytes: must be 4 KiB to 1 GiB", d.Buffer)
	}
	if d.Cap >= event.Priorities {
		return fmt.Errorf("priority cap %d: must be 0 (BATCH) to 4 (CRITICAL)", d.Cap)
	}
	return nil
}

// UDPCounts are what became of datagrams. A worker writes its own.
type UDPCounts struct {
	Received  metrics.Counter // datagrams
	Dropped   metrics.Counter // by the kernel, for want of room in its buffer
	Truncated metrics.Counter // shorter than their frame
	Trailing  metrics.Counter // longer than their frame
	Malformed [wire.Statuses]metrics.Counter
	Rejected  metrics.Counter // of a priority over the cap
	Missing   metrics.Counter // ids that their producers' counters skipped, also if they come late
	Late      metrics.Counter // ids that came behind a higher one of their producer: overtaken, or twice
	Untracked metrics.Counter // producers forgotten because there are too many
}

// ListenUDP opens a datagram port beside the TCP one, with a socket for each
// worker, and says where it listens. It takes an intake for each worker, not the
// one that it has: datagrams may be dropped where a TCP sender is held, so they
// need a lane of their own. To be called before the workers are stepped.
func (t *TCP) ListenUDP(d Datagrams, intakes ...*Intake) (netip.AddrPort, error) {
	if err := d.Validate(); err != nil {
		return netip.AddrPort{}, fmt.Errorf("UDP port: %w", err)
	}
	if len(intakes) != len(t.Workers) {
		return netip.AddrPort{}, fmt.Errorf("UDP port: %d intakes for %d workers", len(intakes), len(t.Workers))
	}
	resolved, err := net.ResolveUDPAddr("udp", d.Address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("UDP port %s: want HOST:PORT: %w", d.Address, err)
	}
	if !resolved.IP.IsLoopback() && !d.Insecure {
		return netip.AddrPort{}, fmt.Errorf("UDP port %s is not on loopback, where anyone could publish, for UDP has no tokens: listen on 127.0.0.1, or say --insecure", d.Address)
	}
	address, err := t.bindUDP(resolved.AddrPort(), d, intakes)
	if errors.Is(err, syscall.EADDRINUSE) {
		return address, fmt.Errorf("UDP port %s is in use: stop what listens there, or choose another address with --udp: %w", address, err)
	}
	if err != nil {
		return address, fmt.Errorf("UDP port %s: %w", address, err)
	}
	return address, nil
}

// bindUDP opens the workers' sockets. Several share the port, which any other
// process of this user could then join; so whether it is free is asked first,
// with a socket that does not share.
func (t *TCP) bindUDP(address netip.AddrPort, d Datagrams, intakes []*Intake) (netip.AddrPort, error) {
	shared := len(t.Workers) > 1
	first, err := openUDP(address, false)
	if err != nil {
		return address, err
	}
	address = first.LocalAddr().(*net.UDPAddr).AddrPort() // the port chosen is the one for all
	if !shared {
		return address, errors.Join(t.Workers[0].listenUDP(first, d, intakes[0]), first.Close())
	}
	if err := first.Close(); err != nil {
		return address, err
	}
	for i, w := range t.Workers {
		socket, err := openUDP(address, true)
		if err != nil {
			return address, err
		}
		if err := errors.Join(w.listenUDP(socket, d, intakes[i]), socket.Close()); err != nil {
			return address, err
		}
	}
	return address, nil
}

// openUDP binds a socket; a shared one lets others have the same port.
func openUDP(address netip.AddrPort, shared bool) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if !shared {
			return nil
		}
		controlErr := c.Control(func(fd uintptr) { err = sharePort(fd) })
		return errors.Join(controlErr, err)
	}}
	c, err := config.ListenPacket(context.Background(), "udp", address.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}
