package ingest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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

// admit gives the connection to a worker, or closes it.
func (t *TCP) admit(c *net.TCPConn) {
	remote := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	refusal := t.enter(remote.Addr())
	if refusal == "" && t.config.TLS != nil {
		select {
		case t.handshakes <- struct{}{}:
			t.accepted.Go(func() { t.relay(c, remote) })
			return
		default:
			t.leave(remote.Addr())
			refusal = fmt.Sprintf("%d TLS handshakes are under way, which is the limit", cap(t.handshakes))
		}
	}
	defer c.Close() // the worker has a descriptor of its own
	if refusal != "" {
		t.refuse(remote, refusal, nil)
		return
	}
	fd, err := duplicate(c)
	if err != nil {
		t.leave(remote.Addr())
		t.refuse(remote, "no descriptor for it", err)
		return
	}
	t.give(fd, remote)
}

// refuse counts and logs a connection that is not let in. The caller closes it.
func (t *TCP) refuse(remote netip.AddrPort, why string, err error) {
	t.mu.Lock() // for the counters: relays come here too
	defer t.mu.Unlock()
	t.Counts.Refused.Add(1)
	t.complaints.say(complaint{what: "connection refused: " + why, client: remote, err: err})
}

// give hands a descriptor to the worker with the fewest connections.
func (t *TCP) give(fd int, remote netip.AddrPort) {
	t.mu.Lock()
	t.Counts.Accepted.Add(1)
	t.mu.Unlock()
	least := t.Workers[0]
	for _, w := range t.Workers {
		if w.load.Load() < least.load.Load() {
			least = w
		}
	}
	least.take(fd, remote)
}

// duplicate is a descriptor for c that outlives it, and that Go's poller does not know.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	dup := func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }
	if controlErr := raw.Control(dup); controlErr != nil {
		return -1, controlErr
	}
	if err != nil {
		return -1, fmt.Errorf("duplicating a descriptor: %w", err)
	}
	return fd, nil
}

// Identity names the clock that CLOCK_MONOTONIC_RAW is here: processes with the
// same boot id and time namespace may compare their times.
func Identity() (bootID string, timeNamespace uint64, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0, fmt.Errorf("boot id: %w", err)
	}
	var namespace unix.Stat_t
	if err := unix.Stat("/proc/self/ns/time", &namespace); err != nil {
		return "", 0, fmt.Errorf("time namespace: %w", err)
	}
	return strings.TrimSpace(string(boot)), namespace.Ino, nil
}
