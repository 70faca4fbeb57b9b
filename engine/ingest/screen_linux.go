package ingest

import (
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// unknown is the priority cap of a client that must present a token first.
const unknown = -1

// verdict is what becomes of a frame that is more than a plain event.
type verdict uint8

const (
	pass    verdict = iota // admit it
	refused                // it is answered, or counted, and done with
	wait                   // not now: too many answers are owed
	gone                   // its connection is no longer being read
)

// screen judges the frame: what plain v1 events pass by in one comparison each.
func (w *Worker) screen(c *conn) verdict {
	f := &w.frame
	if c.cap == unknown {
		w.dismiss(c, wire.ReasonUnauthorised, "no hello with a token came before the first event: connection closed")
		return gone
	}
	c.answers = c.answers || f.Version == wire.V2
	asks := f.Flags&wire.WantAnswer != 0
	reason := w.objection(c, asks)
	switch {
	case reason == wire.ReasonPaused && !asks && w.park(c):
		return gone
	case reason == wire.ReasonPaused && !asks:
		return wait
	case reason != wire.ReasonNone:
		w.reject(c, asks, reason)
		return refused
	}
	if f.Intended != 0 {
		f.Intended = w.timely(c, f.Intended)
	}
	if asks && w.arrival.Answer == 0 { // else it has asked in an earlier Step
		if w.arrival.Answer = w.questions.ask(c, f.ID); w.arrival.Answer == 0 {
			return wait
		}
		c.owed++
	}
	return pass
}

// objection is why the frame may not come in, or ReasonNone.
func (w *Worker) objection(c *conn, asks bool) wire.Reason {
	f := &w.frame
	switch {
	case int(f.Priority) > c.cap:
		return wire.ReasonPriority
	case asks && (wire.LevelOf(f.Flags) > w.tcp.config.Promise.Level || len(w.answers) == 0):
		return wire.ReasonUnavailable
	case w.paused && w.intake.effective(f.Priority, f.Topic, w.arrival.Memo).Lane() == event.LaneTransactional:
		return wire.ReasonPaused
	}
	return wire.ReasonNone
}

// reject counts the frame, and answers it if it asks.
func (w *Worker) reject(c *conn, asks bool, reason wire.Reason) {
	w.Counts.Rejected[reason].Add(1)
	w.unask()
	if asks {
		w.answer(c, wire.Answer{ID: w.frame.ID, Outcome: wire.Rejected, Reason: reason, Mode: w.tcp.config.Promise.Mode})
	}
}

// farthest is how old an intended time may be to count: 60 s.
const farthest = 60_000_000_000

// timely is the intended time if latencies may be counted from it, else 0.
func (w *Worker) timely(c *conn, intended uint64) uint64 {
	if !w.tcp.config.TrustIntended {
		return intended // carried as it is: no one counts from it
	}
	if !c.trusted {
		return 0
	}
	if age := uint64(w.raw.At(w.arrival.Received)) - intended; age > farthest { // one in the future wraps round
		w.Counts.Untimely.Add(1)
		return 0
	}
	return intended
}

// greet takes a hello and answers it; false when the connection is closed for it.
func (w *Worker) greet(c *conn, b []byte) bool {
	g, s := wire.DecodeGreeting(b)
	if s == wire.OK && (c.framed || w.at > 0) {
		s = wire.BadHello // it is the first body or none
	}
	if s != wire.OK {
		w.refuse(c, s)
		return false
	}
	c.answers = true
	if tokens := w.tcp.config.Tokens; len(tokens) > 0 {
		token := recognise(tokens, g.Token)
		if token == nil {
			w.dismiss(c, wire.ReasonUnauthorised, "unknown token: connection closed")
			return false
		}
		c.cap = min(int(token.Cap), int(w.tcp.config.Cap))
	}
	c.trusted = string(g.BootID) == w.tcp.bootID && g.TimeNamespace == w.tcp.namespace
	producer := uint64(0)
	if g.WantProducer {
		producer = w.tcp.newProducer()
	}
	c.out = wire.AppendWelcome(c.out, producer)
	w.unwritten += wire.AnswerSize
	w.owe(c)
	return true
}

// dismiss answers with a rejection and closes c.
func (w *Worker) dismiss(c *conn, reason wire.Reason, why string) {
	w.Counts.Rejected[reason].Add(1)
	w.complain(why, c, nil)
	w.farewell(c, (&wire.Answer{Outcome: wire.Rejected, Reason: reason, Mode: w.tcp.config.Promise.Mode}).Append(nil))
	w.drop(c)
}

// park sets c aside, with what was read of it, until transactions go on. It
// reports false when too much is in flight: then the whole worker waits.
func (w *Worker) park(c *conn) bool {
	rest := w.data[w.at:]
	if len(rest) > w.inFlight {
		return false
	}
	w.Counts.Parked.Add(1)
	w.inFlight -= len(rest)
	c.held = len(rest)
	if c.large && w.at == 0 { // it lies in the assembly, whole
		c.carry = rest
	} else {
		held := append([]byte(nil), rest...)
		w.surrender(c)
		c.carry = held
	}
	c.parked, w.reading = true, nil
	w.parked.push(c)
	return true
}

// pause notes the order; when a pause ends, the parked go on.
func (w *Worker) pause(paused bool) {
	if w.paused = paused; paused {
		return
	}
	for c := w.parked.pop(); c != nil; c = w.parked.pop() {
		c.parked, c.resumes = false, true
		w.queue(c)
	}
}

// resume goes on parsing what was parked.
func (w *Worker) resume(c *conn) {
	w.land(c.held)
	c.held, c.resumes = 0, false
	c.more = true // the poll may have said so meanwhile, and will not again
	w.arrival = Arrival{Received: cpu.Now(), Origin: event.FromTCP, Memo: &c.memo}
	w.reading, w.data, w.at = c, c.carry, 0
	if !c.large {
		w.data = w.buffer[:copy(w.buffer, c.carry)]
		c.carry = nil
	}
}
