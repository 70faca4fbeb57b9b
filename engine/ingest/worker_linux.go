package ingest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Bounds of a Step.
const (
	readSize   = 256 << 10 // bytes a read: shorter ones fight the sender for the socket's lock
	stepFrames = 256       // frames a Step: about as many microseconds as the other stages' Steps take
	pollReads  = 8         // reads between two polls while some connection always has more
	pollEvents = 128       // events a poll
	lastReads  = 32        // reads a connection after Stop: more than both ends' kernels hold of it
)

// Worker reads the frames of its connections and admits them. It belongs to the
// thread that steps it; other goroutines only give it connections and wake it.
//
// It holds the bytes of at most one read. While its Intake has no room it keeps
// them and reads nothing, so that the senders' windows fill up. The poll is
// edge-triggered: it says once that a connection has something, and the
// connection is then read until a read comes back short.
type Worker struct {
	tcp    *TCP
	intake *Intake
	epoll  int
	waker  waker

	frame   wire.Frame
	arrival Arrival
	data    []byte // what was read; data[at:] is not yet parsed
	at      int
	reading *conn // whose it is; nil when all is parsed
	buffer  []byte
	held    bool // the Intake had no room

	assemblies assemblies

	ready  fifo // connections with something to read
	reads  int  // since the last poll
	woken  bool // a poll took a wake-up that no Sleep has seen
	quiet  bool // a poll since Stop found nothing to read
	events [pollEvents]unix.EpollEvent
	conns  []*conn // by slot; nil is free
	limits limits

	sweptAt, heldUntil cpu.Ticks

	Counts     Counts
	load       atomic.Int32 // connections, given and open
	drained    atomic.Bool
	inbox      inbox
	complaints complaints
}

// inbox is where the acceptor leaves connections.
type inbox struct {
	mu    sync.Mutex
	conns []*conn
	full  atomic.Bool
}

func newWorker(t *TCP, in *Intake, index int) (*Worker, error) {
	w := &Worker{tcp: t, intake: in, epoll: -1, waker: waker{fd: -1}, buffer: make([]byte, readSize), limits: newLimits(&t.config)}
	w.complaints.init(t.config.Log.With("worker", index), &w.Counts.Complaints)
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if w.waker.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(fmt.Errorf("eventfd: %w", err), w.close())
	}
	if err = w.watch(w.waker.fd, wakerSlot, unix.EPOLLIN|unix.EPOLLET); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

const wakerSlot = -1

func (w *Worker) watch(fd int, slot int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: slot}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Step polls, reads at most once, and admits at most 256 frames. It returns how many.
func (w *Worker) Step(now cpu.Ticks) int {
	w.intake.Flush()
	if w.reading == nil {
		w.next(now)
	}
	work := 0
	if w.reading != nil {
		work = w.parse()
	}
	w.intake.Flush()
	if w.tcp.stopping.Load() {
		w.drained.Store(w.quiet && w.reading == nil && w.ready.n == 0 && w.intake.Waiting() == 0)
	}
	return work
}

// next finds a connection with something to read, and reads.
func (w *Worker) next(now cpu.Ticks) {
	if w.ready.n == 0 || w.reads >= pollReads {
		w.reads = 0
		w.poll()
		w.sweep(now)
	}
	if c := w.ready.pop(); c != nil {
		w.reads++
		c.queued = false
		w.read(c)
	}
}

// poll asks the kernel, without waiting, what happened.
func (w *Worker) poll() {
	stopping := w.tcp.stopping.Load()
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.epoll), uintptr(unsafe.Pointer(&w.events[0])), pollEvents, 0, 0, 0)
	if errno == 0 {
		w.note(int(n))
	}
	w.quiet = stopping && w.ready.n == 0
}

// Sleep waits in the poll until something happens, for max at the longest. A
// worker that waits for room sleeps a millisecond, for no one wakes it when there is.
func (w *Worker) Sleep(max time.Duration) {
	if w.reading != nil || w.ready.n > 0 || w.intake.Waiting() > 0 {
		max = min(max, time.Millisecond)
	}
	if w.woken {
		w.woken = false
		return
	}
	timeout := int((max + time.Millisecond - 1) / time.Millisecond)
	if n, err := unix.EpollWait(w.epoll, w.events[:], timeout); err == nil {
		w.note(n)
	}
	w.woken = false
}

// Wake ends a Sleep, or the next one, from any goroutine.
func (w *Worker) Wake() { w.waker.wake() }

// waker is an eventfd in the poll. The lock is against closing it, after which
// its number may be another file's.
type waker struct {
	mu sync.Mutex
	fd int
}

func (a *waker) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := [8]byte{1}
	unix.Write(a.fd, one[:]) // fails only when closed, or when 2^64 wake-ups are due
}

func (a *waker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	unix.Close(a.fd)
	a.fd = -1
}

// note queues the connections that the poll's first n events are about.
func (w *Worker) note(n int) {
	for i := range w.events[:n] {
		e := &w.events[i]
		if e.Fd == wakerSlot {
			w.woken = true
			continue
		}
		c := w.conns[e.Fd]
		if c == nil {
			continue // closed since
		}
		if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.finished = true
		}
		w.queue(c)
	}
	if w.inbox.full.Load() {
		w.open()
	}
}

// queue notes that c has something to read, if it is not to be left alone.
func (w *Worker) queue(c *conn) {
	if !c.queued && c.last < lastReads {
		c.queued = true
		w.ready.push(c)
	}
}

// read reads once from c, behind what an earlier read left of a frame.
func (w *Worker) read(c *conn) {
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
	w.arrival = Arrival{Received: cpu.Now(), Answer: c.answer, Origin: event.FromTCP, Memo: &c.memo}
	c.more = n == len(into)-have || c.finished
	switch {
	case n > 0:
		w.reading, w.data, w.at = c, into[:have+n], 0
		c.activeAt = w.arrival.Received
	case errno != unix.EAGAIN:
		w.end(c, errno)
	}
}

// parse admits the frames of the data.
func (w *Worker) parse() (frames int) {
	for frames < stepFrames {
		n, s := wire.Decode(w.data[w.at:], &w.frame)
		if s != wire.OK {
			w.turn(n, s)
			break
		}
		if !w.intake.Admit(&w.frame, w.arrival) {
			w.hold()
			return frames
		}
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
// that are no frame.
func (w *Worker) turn(n int, s wire.Status) {
	c := w.reading
	switch s {
	case wire.More:
		w.reading = nil
		w.keep(c, w.data[w.at:], n)
		if c.more {
			w.queue(c)
		}
		w.cut(c, w.arrival.Received) // here too: a sweep never meets a client that always has one more byte
	case wire.Hello:
		w.at += n
	default:
		w.reading = nil
		w.refuse(c, s)
	}
}

// open takes the connections that the acceptor left.
func (w *Worker) open() {
	w.inbox.mu.Lock()
	fresh := w.inbox.conns
	w.inbox.conns = nil
	w.inbox.full.Store(false)
	w.inbox.mu.Unlock()
	for _, c := range fresh {
		c.openedAt = cpu.Now()
		c.activeAt = c.openedAt
		c.slot = w.free()
		w.conns[c.slot] = c
		if err := w.watch(c.fd, c.slot, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
			w.complain("cannot watch a connection", c, err)
			w.drop(c)
		}
	}
}

// free is a slot of conns that no connection has.
func (w *Worker) free() int32 {
	for i, c := range w.conns {
		if c == nil {
			return int32(i)
		}
	}
	w.conns = append(w.conns, nil)
	return int32(len(w.conns) - 1)
}

// complain has a line about c written to the log.
func (w *Worker) complain(what string, c *conn, err error) {
	w.complaints.say(complaint{what: what, client: c.remote, err: err})
}

// take gives the worker a connection, from the acceptor's goroutine: a
// descriptor of its own, which Go's poller does not know.
func (w *Worker) take(c *net.TCPConn, remote netip.AddrPort) error {
	fd, err := duplicate(c)
	if err != nil {
		return err
	}
	w.load.Add(1)
	w.inbox.mu.Lock()
	w.inbox.conns = append(w.inbox.conns, &conn{fd: fd, remote: remote})
	w.inbox.full.Store(true)
	w.inbox.mu.Unlock()
	w.Wake()
	return nil
}

// close ends everything, when no one steps the worker any more.
func (w *Worker) close() error {
	w.open()
	for _, c := range w.conns {
		if c != nil {
			w.drop(c)
		}
	}
	w.complaints.close()
	w.waker.close()
	if w.epoll < 0 {
		return nil
	}
	return unix.Close(w.epoll)
}
