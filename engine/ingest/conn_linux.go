package ingest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/topic"
	"eventstreamcore/engine/wire"
)

// conn is one client. It is its worker's alone.
type conn struct {
	fd     int
	slot   int32
	answer uint32
	remote netip.AddrPort

	carry []byte // the beginning of a frame whose rest has not come yet
	need  int    // how long it must grow before it is worth parsing
	large bool   // carry is one of the worker's assemblies

	queued   bool // stands in the worker's ready queue, or waits for an assembly
	finished bool // the peer has sent its last byte, or is gone
	more     bool // the last read did not empty the socket
	framed   bool // it has sent a whole frame
	last     int  // reads since Stop
	memo     topic.Memo

	openedAt, activeAt, beganAt cpu.Ticks // accepted, last read, first bytes of carry
}

// A frame longer than assembleOver is put together in a buffer of its own, of
// which a worker has at most assembliesMax (128 MiB): clients that announce
// more large frames than that wait. The last few are kept for reuse.
const (
	assembleOver   = 64 << 10
	assembliesMax  = 128
	assembliesKept = 4
)

// assemblies lends buffers of wire.MaxFrame bytes.
type assemblies struct {
	kept    [][]byte
	lent    int
	waiting fifo // connections that could not have one
}

// room is where c's next bytes go, behind the have bytes of its last frame that
// are there already; nil when there is no assembly to be had.
func (w *Worker) room(c *conn) (into []byte, have int) {
	if c.need <= assembleOver {
		return w.buffer, copy(w.buffer, c.carry)
	}
	if !c.large {
		large := w.assemblies.borrow()
		if large == nil {
			return nil, 0
		}
		c.carry, c.large = append(large, c.carry...), true
	}
	return c.carry[:c.need], len(c.carry)
}

func (a *assemblies) borrow() []byte {
	if a.lent == assembliesMax {
		return nil
	}
	a.lent++
	if last := len(a.kept) - 1; last >= 0 {
		b := a.kept[last]
		a.kept = a.kept[:last]
		return b
	}
	return make([]byte, 0, wire.MaxFrame)
}

// surrender takes c's assembly back, if it has one, and lets a waiting connection try.
func (w *Worker) surrender(c *conn) {
	if !c.large {
		return
	}
	a := &w.assemblies
	a.lent--
	if len(a.kept) < assembliesKept {
		a.kept = append(a.kept, c.carry[:0])
	}
	c.carry, c.large = nil, false
	if next := a.waiting.pop(); next != nil {
		next.queued = false
		w.queue(next)
	}
}

// keep stores rest, the beginning of a frame of which need bytes are wanted,
// until c is read again.
func (w *Worker) keep(c *conn, rest []byte, need int) {
	c.framed = c.framed || w.at > 0
	if len(c.carry) == 0 || w.at > 0 {
		c.beganAt = w.arrival.Received
	}
	switch {
	case c.large && w.at == 0: // it was read into carry
		c.carry = rest
	case c.large:
		w.surrender(c)
		fallthrough
	default:
		c.carry = append(c.carry[:0], rest...)
	}
	c.need = need
}

// readNow reads what is there. n is 0 with errno 0 at the stream's end.
func readNow(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// duplicate is a descriptor for c that outlives it.
func duplicate(c *net.TCPConn) (fd int, err error) {
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

// end closes c at its stream's end, or at the error that took it.
func (w *Worker) end(c *conn, errno unix.Errno) {
	if len(c.carry) > 0 {
		w.Counts.Cut.Add(1)
		w.complain("connection ended within a frame: its last event is lost", c, fmt.Errorf("%d bytes of %d or more", len(c.carry), c.need))
	} else if errno != 0 && errno != unix.ECONNRESET && errno != unix.EPIPE {
		w.complain("connection failed", c, errno)
	}
	w.drop(c)
}

// refuse closes c for bytes that are no frame.
func (w *Worker) refuse(c *conn, s wire.Status) {
	w.Counts.Malformed[s].Add(1)
	if name := foreign(w.data[w.at:]); name != "" && !c.framed && w.at == 0 {
		w.Counts.Foreign.Add(1)
		w.complain("client speaks "+name+", not frames: connection closed", c, nil)
		if name == "HTTP" {
			w.farewell(c)
		}
	} else {
		w.complain("malformed frame: connection closed", c, fmt.Errorf("%v", s))
	}
	w.drop(c)
}

// httpAnswer tells a browser or curl where it is.
const httpAnswer = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" +
	"This port takes EventStreamCore frames, not HTTP: see esc load, and the admin port for metrics.\n"

// farewell sends the answer, and reads what is left, for a close with bytes
// unread would reset the connection and take the answer with it.
func (w *Worker) farewell(c *conn) {
	unix.Write(c.fd, []byte(httpAnswer)) // a fresh connection has room for it, or does not matter
	unix.Shutdown(c.fd, unix.SHUT_WR)
	readNow(c.fd, w.buffer)
}

// foreign names the protocol that b opens, of those that end up here by mistake.
func foreign(b []byte) string {
	for _, method := range []string{"GET ", "POST", "HEAD", "PUT ", "OPTI", "DELE", "PATC", "CONN", "PRI "} {
		if bytes.HasPrefix(b, []byte(method)) {
			return "HTTP"
		}
	}
	if len(b) >= 2 && b[0] == 0x16 && b[1] == 0x03 { // a handshake record
		return "TLS"
	}
	return ""
}

// drop closes c and forgets it.
func (w *Worker) drop(c *conn) {
	if w.reading == c {
		w.reading = nil
	}
	w.ready.remove(c)
	w.assemblies.waiting.remove(c)
	w.surrender(c)
	unix.Close(c.fd) // which takes it out of the poll
	w.conns[c.slot] = nil
	w.load.Add(-1)
	w.Counts.Closed.Add(1)
	w.tcp.leave(c.remote.Addr())
}

const sweepEvery = 100 * time.Millisecond

// sweep closes the connections that take too long, ten times a second.
func (w *Worker) sweep(now cpu.Ticks) {
	if now-w.sweptAt < w.limits.sweep {
		return
	}
	w.sweptAt = now
	for _, c := range w.conns {
		if c != nil && !c.queued && !c.finished { // else it is about to be read
			w.cut(c, now)
		}
	}
}

// cut closes c if it takes too long.
func (w *Worker) cut(c *conn, now cpu.Ticks) {
	if why := w.late(c, now); why != "" {
		w.Counts.Late.Add(1)
		w.complain(why, c, nil)
		w.drop(c)
	}
}

// limits are the configuration's times, in ticks.
type limits struct{ sweep, first, completion, silence cpu.Ticks }

func newLimits(c *Config) limits {
	ticks := func(d time.Duration) cpu.Ticks { return c.Clock.Ticks(d.Nanoseconds()) }
	return limits{sweep: ticks(sweepEvery), first: ticks(c.FirstFrame), completion: ticks(c.Completion), silence: ticks(c.Silence)}
}

// late says in what c takes too long, or nothing. Time in which the worker did
// not read is not the client's.
func (w *Worker) late(c *conn, now cpu.Ticks) string {
	over := func(since, limit cpu.Ticks) bool { return int64(now-max(since, w.heldUntil)) > int64(limit) }
	switch {
	case !c.framed && over(c.openedAt, w.limits.first):
		return "no frame within the time for the first: connection closed"
	case len(c.carry) > 0 && over(c.beganAt, w.limits.completion):
		return "a frame was not completed in time: connection closed"
	case !c.remote.Addr().Unmap().IsLoopback() && over(c.activeAt, w.limits.silence):
		return "connection was silent for too long: closed"
	}
	return ""
}
