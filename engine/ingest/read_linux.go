package ingest

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// read reads once from c, behind what an earlier read left of a frame.
func (w *Worker) read(c *conn) {
	switch {
	case c.parked: // until the pause ends
		return
	case c.resumes:
		w.resume(c)
		return
	case len(c.out) > unreadHold:
		c.choked = true // until it reads its answers
		return
	}
	if w.tcp.stopping.Load() {
		c.last++
	}
	into, have := w.room(c)
	if into == nil {
		c.queued = true // still: it is not the client that is late
		w.assemblies.waiting.push(c)
		return
	}
	n, errno := readNow(c.fd, into[have:])
	w.arrival = Arrival{Received: cpu.Now(), Origin: event.FromTCP, Memo: &c.memo}
	c.more = n == len(into)-have || c.finished
	switch {
	case n > 0:
		w.reading, w.data, w.at = c, into[:have+n], 0
		c.activeAt = w.arrival.Received
	case errno != unix.EAGAIN:
		w.end(c, errno)
	}
}

// readNow reads what is there. n is 0 with errno 0 at the stream's end.
func readNow(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// parse admits the frames of the data.
func (w *Worker) parse() (frames int) {
	c := w.reading
	for frames < stepFrames {
		n, s := wire.Decode(w.data[w.at:], &w.frame)
		if s != wire.OK {
			if !w.turn(c, n, s) {
				break
			}
			continue
		}
		if w.frame.Flags != 0 || w.frame.Intended != 0 || int(w.frame.Priority) > c.cap || w.paused {
			switch w.screen(c) {
			case refused:
				w.at += n
				frames++
				continue
			case wait:
				w.hold()
				return frames
			case gone:
				return frames
			}
		}
		if !w.intake.Admit(&w.frame, w.arrival) {
			w.hold()
			return frames
		}
		w.arrival.Answer = 0
		w.at += n
		frames++
	}
	if w.held && frames > 0 {
		w.held, w.heldUntil = false, cpu.Now()
	}
	return frames
}

// hold notes that there was no room; Admit is asked again in the next Step.
func (w *Worker) hold() {
	if !w.held {
		w.held = true
		w.Counts.Held.Add(1)
	}
}

// turn deals with what is not an event: the end of the data, a hello, or bytes
// that are no frame. It reports whether there is more to parse.
func (w *Worker) turn(c *conn, n int, s wire.Status) (more bool) {
	switch {
	case s == wire.Hello && w.greet(c, w.data[w.at:][:n]):
		w.at += n
		return true
	case s == wire.More:
		w.reading = nil
		w.keep(c, w.data[w.at:], n)
		if c.more {
			w.queue(c)
		}
		w.cut(c, w.arrival.Received) // here too: a sweep never meets a client that always has one more byte
	case s != wire.Hello:
		w.refuse(c, s)
	}
	return false
}

// What is there of a frame is carried over from read to read until it is
// assembleOver bytes; from there on it is put together in a buffer of its own,
// which grows with what comes: that a frame will be long is easily said. The last
// few of those are kept for reuse.
const (
	assembleOver   = 64 << 10
	assembliesKept = 4
)

// assemblies are buffers of up to wire.MaxFrame bytes.
type assemblies struct {
	kept    [][]byte
	waiting fifo // connections that could not have one
}

// room is where c's next bytes go, behind the have bytes of its last frame that
// are there already; nil when too much is in flight for a frame so long.
func (w *Worker) room(c *conn) (into []byte, have int) {
	if !c.large && len(c.carry) < assembleOver {
		return w.buffer, copy(w.buffer, c.carry)
	}
	if !c.large && !w.borrow(c) {
		return nil, 0
	}
	if len(c.carry) == cap(c.carry) {
		c.carry = slices.Grow(c.carry, len(c.carry))
	}
	return c.carry[:min(c.need, cap(c.carry))], len(c.carry)
}

// borrow counts a whole frame as in flight, for one that was begun must be able
// to end, and puts what is there of c's into a buffer for it.
func (w *Worker) borrow(c *conn) bool {
	if w.inFlight < wire.MaxFrame {
		return false
	}
	w.inFlight -= wire.MaxFrame
	c.large = true
	a := &w.assemblies
	if last := len(a.kept) - 1; last >= 0 {
		c.carry = append(a.kept[last], c.carry...)
		a.kept = a.kept[:last]
	}
	return true
}

// surrender takes c's assembly back, if it has one.
func (w *Worker) surrender(c *conn) {
	if !c.large {
		return
	}
	a := &w.assemblies
	if len(a.kept) < assembliesKept {
		a.kept = append(a.kept, c.carry[:0])
	}
	c.carry, c.large = nil, false
	w.land(wire.MaxFrame)
}

// land takes n bytes out of flight, and lets the connections try that waited for them.
func (w *Worker) land(n int) {
	w.inFlight += n
	for room := w.inFlight; room >= wire.MaxFrame && w.assemblies.waiting.n > 0; room -= wire.MaxFrame {
		c := w.assemblies.waiting.pop()
		c.queued = false
		w.queue(c)
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
