package ingest

import (
	"bytes"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/topic"
	"eventstreamcore/engine/wire"
)

// conn is one client. It is its worker's alone.
type conn struct {
	fd         int
	slot       int32
	generation uint32
	remote     netip.AddrPort

	cap     int  // the highest priority that it may claim; unknown before its hello, where one is needed
	trusted bool // its intended times are on this machine's clock
	answers bool // it speaks v2 and so understands answers

	carry []byte // the beginning of a frame whose rest has not come yet, or what was parked
	need  int    // how long it must grow before it is worth parsing
	large bool   // carry is an assembly
	held  int    // bytes of carry counted as in flight, because it was parked

	queued   bool // stands in the worker's ready queue, or waits for an assembly
	parked   bool // stands in the parked queue
	resumes  bool // was parked: carry is to be parsed before more is read
	choked   bool // is not read until it reads its answers
	finished bool // the peer has sent its last byte, or is gone
	deaf     bool // it is gone: what is sent, it does not hear
	ended    bool // the last byte was read; it is kept for the answers that it is owed
	more     bool // the last read did not empty the socket
	framed   bool // it has sent a whole frame
	last     int  // reads since Stop
	memo     topic.Memo

	out     []byte    // answers not yet sent
	unsent  bool      // stands in the unsent queue
	owed    int       // questions that are open
	stuckAt cpu.Ticks // since when nothing of out could be sent; 0 is not stuck

	openedAt, activeAt, beganAt cpu.Ticks // accepted, last read, first bytes of carry
}

// end closes c at its stream's end, or at the error that took it. One that is
// owed answers and may still read them stays for them.
func (w *Worker) end(c *conn, errno unix.Errno) {
	switch {
	case c.ended:
	case len(c.carry) > 0:
		w.Counts.Cut.Add(1)
		w.complain("connection ended within a frame: its last event is lost", c, fmt.Errorf("%d bytes of %d or more", len(c.carry), c.need))
	case errno != 0 && errno != unix.ECONNRESET && errno != unix.EPIPE:
		w.complain("connection failed", c, errno)
	}
	c.ended = true
	if errno != 0 || c.deaf || c.owed == 0 && len(c.out) == 0 {
		w.drop(c)
	}
}

// refuse closes c for bytes that are no frame.
func (w *Worker) refuse(c *conn, s wire.Status) {
	w.Counts.Malformed[s].Add(1)
	rest := w.data[w.at:]
	name := foreign(rest)
	switch {
	case name != "" && !c.framed && w.at == 0:
		w.Counts.Foreign.Add(1)
		w.complain("client speaks "+name+", not frames: connection closed", c, nil)
		if name == "HTTP" {
			w.farewell(c, []byte(httpAnswer))
		}
	default:
		w.complain("malformed frame: connection closed", c, fmt.Errorf("%v", s))
		if c.answers || len(rest) > wire.PrefixSize && rest[wire.PrefixSize]&0x80 != 0 { // v1 clients expect no answer
			w.farewell(c, (&wire.Answer{Outcome: wire.Rejected, Reason: s.Reason(), Mode: w.tcp.config.Promise.Mode}).Append(nil))
		}
	}
	w.drop(c)
}

// httpAnswer tells a browser or curl where it is.
const httpAnswer = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" +
	"This port takes EventStreamCore frames, not HTTP: see esc load, and the admin port for metrics.\n"

// farewell sends what it can of out and the last words, and reads what is left,
// for a close with bytes unread would reset the connection and take them with it.
func (w *Worker) farewell(c *conn, words []byte) {
	if n, _ := writeNow(c.fd, c.out); n == len(c.out) {
		writeNow(c.fd, words)
	}
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

// drop closes c and forgets it. Answers that are still to come for it find that
// its place has another generation, or no one.
func (w *Worker) drop(c *conn) {
	if w.reading == c {
		w.unask()
		w.reading = nil
	}
	w.ready.remove(c)
	w.parked.remove(c)
	w.unsent.remove(c)
	w.assemblies.waiting.remove(c)
	w.land(c.held)
	w.unwritten -= len(c.out)
	w.surrender(c)
	unix.Close(c.fd) // which takes it out of the poll
	w.conns[c.slot] = nil
	w.load.Add(-1)
	w.Counts.Closed.Add(1)
	w.tcp.leave(c.remote.Addr())
}
