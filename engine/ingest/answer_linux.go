package ingest

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/wire"
)

const (
	answerBatch = 256      // receipts a Step and lane
	unreadHold  = 64 << 10 // bytes of answers that lie unread before no more frames are read
)

// question is an event that asked for an answer and has none yet.
type question struct {
	id         uint64
	slot       int32  // of its connection, and
	generation uint32 // which of those that had the slot
	turn       uint32 // how often the question's place was used
	open       bool
}

// questions are the answers that a worker owes. An event carries its question's
// number in Header.Answer: 17 bits of place, counted from 1, and 15 of turn.
type questions struct {
	all  []question
	free []uint32
}

const (
	placeBits = 17
	turnMask  = 1<<(32-placeBits) - 1
)

func newQuestions(n int) questions {
	q := questions{all: make([]question, n), free: make([]uint32, n)}
	for i := range q.free {
		q.free[i] = uint32(n - 1 - i)
	}
	return q
}

// ask opens a question of c's, or returns 0 when too many are open.
func (q *questions) ask(c *conn, id uint64) (answer uint32) {
	last := len(q.free) - 1
	if last < 0 {
		return 0
	}
	place := q.free[last]
	q.free = q.free[:last]
	asked := &q.all[place]
	asked.id, asked.slot, asked.generation, asked.open = id, c.slot, c.generation, true
	return asked.turn&turnMask<<placeBits | (place + 1)
}

// close takes the question that answer names, or returns nil if it is not open.
func (q *questions) close(answer uint32) *question {
	place := answer&(1<<placeBits-1) - 1
	if place >= uint32(len(q.all)) {
		return nil
	}
	asked := &q.all[place]
	if !asked.open || asked.turn&turnMask != answer>>placeBits {
		return nil
	}
	asked.open = false
	asked.turn++
	q.free = append(q.free, place)
	return asked
}

// open is how many wait for an answer.
func (q *questions) open() int { return len(q.all) - len(q.free) }

// unask takes back the question of a frame that is not admitted after all.
func (w *Worker) unask() {
	if w.arrival.Answer == 0 {
		return
	}
	w.questions.close(w.arrival.Answer)
	w.arrival.Answer = 0
	w.reading.owed--
}

// collect takes what the stages have to say.
func (w *Worker) collect() (work int) {
	for _, lane := range w.answers {
		n := lane.PopBatch(w.receipts[:])
		for _, r := range w.receipts[:n] {
			w.settle(wire.ReadReceipt(r))
		}
		work += n
	}
	return work
}

// settle passes an answer on to the connection that asked, if it is still there.
func (w *Worker) settle(answer uint32, a wire.Answer) {
	asked := w.questions.close(answer)
	if asked == nil {
		w.Counts.Stray.Add(1)
		return
	}
	c := w.conns[asked.slot]
	if c == nil || c.generation != asked.generation {
		return
	}
	c.owed--
	a.ID = asked.id
	w.answer(c, a)
}

// answer puts a behind what c is still to be sent.
func (w *Worker) answer(c *conn, a wire.Answer) {
	before := len(c.out)
	c.out = a.Append(c.out)
	w.unwritten += len(c.out) - before
	w.Counts.Answered.Add(1)
	w.owe(c)
}

// owe notes that c has something to send.
func (w *Worker) owe(c *conn) {
	if !c.unsent {
		c.unsent = true
		w.unsent.push(c)
	}
}

// send writes what there is for each connection, and notes what is left. A
// connection that would not take all comes back when the poll says so.
func (w *Worker) send() {
	for c := w.unsent.pop(); c != nil; c = w.unsent.pop() {
		c.unsent = false
		w.write(c)
	}
	if owed := int64(w.questions.open() + w.unwritten); owed != w.owed.Load() {
		w.owed.Store(owed)
	}
}

// write sends as much of c's answers as its socket takes.
func (w *Worker) write(c *conn) {
	n, errno := writeNow(c.fd, c.out)
	if errno != 0 && errno != unix.EAGAIN {
		w.drop(c) // it is gone; its read side says so too
		return
	}
	if n > 0 || c.stuckAt == 0 {
		c.stuckAt = cpu.Now()
	}
	w.unwritten -= n
	c.out = c.out[:copy(c.out, c.out[n:])]
	switch {
	case len(c.out) > w.tcp.config.Limits.Unread:
		w.unreading(c)
		return
	case len(c.out) == 0:
		c.stuckAt = 0
		if c.ended && c.owed == 0 {
			w.drop(c)
			return
		}
	}
	if c.choked && len(c.out) <= unreadHold {
		c.choked = false
		w.queue(c)
	}
}

// unreading closes a client that does not read its answers.
func (w *Worker) unreading(c *conn) {
	w.Counts.Unreading.Add(1)
	w.complain("client does not read its answers: connection closed", c, nil)
	w.drop(c)
}

// writeNow writes what the socket takes, without waiting and without a signal.
func writeNow(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}
