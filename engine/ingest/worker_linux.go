package ingest

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Bounds of a Step.
const (
	readSize   = 256 << 10 // bytes a read: shorter ones fight the sender for the socket's lock
	pollReads  = 8         // reads between two polls while some connection always has more
	pollEvents = 128       // events a poll
	lastReads  = 32        // reads a connection after Stop: more than both ends' kernels hold of it
)

// Worker reads the frames of its connections, admits them, and brings back the
// answers. It belongs to the thread that steps it; other goroutines only give it
// connections and wake it.
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
	wokeUp bool // a poll took a wake-up that no Sleep has seen

	// What is being read.
	reading *conn // whose bytes data are; nil when all are parsed
	data    []byte
	at      int // data[at:] is not yet parsed
	buffer  []byte
	frame   wire.Frame
	arrival Arrival
	held    bool // the Intake had no room
	paused  bool // transactions are, for this Step

	// Who waits for what.
	conns      []*conn // by slot; nil is free
	generation uint32  // of the connection opened last
	ready      fifo    // connections with something to read
	parked     fifo    // connections whose next frame waits for the pause to end
	unsent     fifo    // connections with answers to send
	assemblies assemblies
	inFlight   int  // bytes that may still be held of unfinished and parked frames
	reads      int  // since the last poll
	quiet      bool // a poll since Stop found nothing to read
	events     [pollEvents]unix.EpollEvent

	udp       *datagrams // nil is none
	questions questions
	unwritten int         // bytes of answers not yet in their sockets
	answers   []*bus.Lane // receipts, one lane from each stage that answers
	receipts  [answerBatch]event.Ref

	limits             limits
	raw                *cpu.Timeline
	sweptAt, heldUntil cpu.Ticks

	Counts     Counts
	load       atomic.Int32 // connections, given and open
	owed       atomic.Int64 // answers not yet in their clients' sockets
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

func newWorker(t *TCP, in *Intake, index, inFlight int) (*Worker, error) {
	w := &Worker{
		tcp: t, intake: in, epoll: -1, waker: waker{fd: -1}, buffer: make([]byte, readSize),
		limits: newLimits(&t.config), inFlight: inFlight, questions: newQuestions(Questions),
	}
	w.complaints.init(t.config.Log.With("worker", index), &w.Counts.Complaints)
	var err error
	if w.raw, err = cpu.NewTimeline(t.config.Clock, cpu.MonotonicRaw); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("epoll_create: %w", err), w.close())
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

// Step brings back answers, polls, reads at most once, and admits at most 256
// frames. It returns how many answers, reads and frames.
func (w *Worker) Step(now cpu.Ticks) int {
	work := w.collect()
	w.intake.Flush()
	if w.tcp.Orders != nil {
		w.pause(w.tcp.Orders.Given().PauseTransactions)
	}
	if w.reading == nil {
		if w.next(now); w.reading != nil {
			work++ // though it may be a byte: a sleep after each would let the others wait
		}
	}
	if w.reading != nil {
		work += w.parse()
	}
	w.intake.Flush()
	if w.udp != nil {
		work += w.takeDatagrams()
	}
	w.send()
	if w.tcp.stopping.Load() {
		w.drained.Store(w.quiet && w.reading == nil && w.ready.n == 0 && w.udp.drained() && w.intake.Waiting() == 0)
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
	if w.reading == nil && w.ready.n > 0 {
		return
	}
	if w.reading != nil || w.parked.n > 0 || !w.udp.drained() || w.intake.Waiting() > 0 {
		max = min(max, time.Millisecond)
	}
	if w.wokeUp {
		w.wokeUp = false
		return
	}
	timeout := int((max + time.Millisecond - 1) / time.Millisecond)
	if n, err := unix.EpollWait(w.epoll, w.events[:], timeout); err == nil {
		w.note(n)
	}
	w.wokeUp = false
}

// Wake ends a Sleep, or the next one, from any goroutine.
func (w *Worker) Wake() { w.waker.wake() }

// note queues the connections that the poll's first n events are about.
func (w *Worker) note(n int) {
	for i := range w.events[:n] {
		e := &w.events[i]
		switch e.Fd {
		case wakerSlot:
			w.wokeUp = true
			continue
		case datagramSlot:
			w.udp.ready = w.udp.last < lastReads
			continue
		}
		c := w.conns[e.Fd]
		if c == nil {
			continue // closed since
		}
		if e.Events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
			w.owe(c)
		}
		c.finished = c.finished || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
		c.deaf = c.deaf || e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
		if e.Events&^unix.EPOLLOUT != 0 {
			w.queue(c)
		}
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

// take gives the worker a connection, from the acceptor's goroutine.
func (w *Worker) take(fd int, remote netip.AddrPort) {
	w.load.Add(1)
	w.inbox.mu.Lock()
	w.inbox.conns = append(w.inbox.conns, &conn{fd: fd, remote: remote})
	w.inbox.full.Store(true)
	w.inbox.mu.Unlock()
	w.Wake()
}

// open takes the connections that the acceptor left.
func (w *Worker) open() {
	w.inbox.mu.Lock()
	fresh := w.inbox.conns
	w.inbox.conns = nil
	w.inbox.full.Store(false)
	w.inbox.mu.Unlock()
	for _, c := range fresh {
		w.generation++
		c.generation = w.generation
		c.openedAt = cpu.Now()
		c.activeAt = c.openedAt
		c.slot = w.free()
		w.conns[c.slot] = c
		if c.cap = int(w.tcp.config.Cap); len(w.tcp.config.Tokens) > 0 {
			c.cap = unknown
		}
		if err := w.watch(c.fd, c.slot, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
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

// close ends everything, when no one steps the worker any more.
func (w *Worker) close() error {
	w.abandon()
	w.complaints.close()
	w.waker.close()
	err := w.udp.close()
	if w.epoll >= 0 {
		err = errors.Join(err, unix.Close(w.epoll))
	}
	return err
}

// abandon drops the connections, also those that were given too late.
func (w *Worker) abandon() {
	w.open()
	for _, c := range w.conns {
		if c != nil {
			w.drop(c)
		}
	}
}
