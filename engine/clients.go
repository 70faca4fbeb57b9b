package engine

import (
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/wire"
)

// Clients is what the frame port has done so far; zero for an engine without.
type Clients struct {
	Accepted  uint64 // connections let in
	Closed    uint64 // of those, the ones that have ended
	Refused   uint64 // connections turned away: a limit, or TLS that failed
	Late      uint64 // connections closed for taking too long
	Unreading uint64 // connections closed for not reading their answers
	Malformed uint64 // connections closed for a frame that is none
	Foreign   uint64 // of the malformed, those that spoke HTTP or TLS
	Cut       uint64 // frames that a connection's end cut short
	Parked    uint64 // times that a connection was set aside while transactions are paused
	Answered  uint64 // answers sent
	Untimely  uint64 // trusted intended times that cannot be
	Rejected  [wire.Reasons]uint64
}

// Open is how many connections there are.
func (c Clients) Open() uint64 { return c.Accepted - min(c.Closed, c.Accepted) }

// Clients may be called from any goroutine.
func (e *Engine) Clients() (c Clients) {
	if e.gate.tcp == nil {
		return c
	}
	for _, w := range e.gate.tcp.Workers {
		c.add(&w.Counts)
	}
	c.add(&e.gate.tcp.Counts) // last: what has closed had been accepted
	return c
}

func (c *Clients) add(n *ingest.Counts) {
	c.Accepted += n.Accepted.Load()
	c.Closed += n.Closed.Load()
	c.Refused += n.Refused.Load()
	c.Late += n.Late.Load()
	c.Unreading += n.Unreading.Load()
	c.Foreign += n.Foreign.Load()
	c.Cut += n.Cut.Load()
	c.Parked += n.Parked.Load()
	c.Answered += n.Answered.Load()
	c.Untimely += n.Untimely.Load()
	for status := range n.Malformed {
		c.Malformed += n.Malformed[status].Load()
	}
	for reason := range n.Rejected {
		c.Rejected[reason] += n.Rejected[reason].Load()
	}
}
