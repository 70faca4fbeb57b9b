package engine

import (
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
)

// Stats is what the engine has done so far. Each figure is exact; together they
// are as of moments a few microseconds apart.
type Stats struct {
	Received uint64 // events taken in, by every way
	Bytes    uint64 // of their frames
	Stored   uint64 // events appended to the log
	Written  uint64 // last sequence handed to the kernel
	Durable  uint64 // last sequence known to be on the disk
	LaneFull uint64 // times that a sender was held back because a lane was full
	NoSlot   uint64 // times that a sender was held back because a pool was empty
	Missed   [event.Lanes]uint64
}

// InFlight is how many events were taken in and are not stored.
func (s Stats) InFlight() uint64 { return s.Received - min(s.Stored, s.Received) }

// Stats may be called from any goroutine.
func (e *Engine) Stats() (s Stats) {
	for i := range e.storer.Stored { // stored first: it may then not exceed received
		s.Stored += e.storer.Stored[i].Events.Load()
		s.Missed[i] = e.processors[i].Meter.Missed.Load()
	}
	s.Written, s.Durable = e.log.Written(), e.log.Durable()
	for _, in := range e.intakes {
		s.Received += in.Counters.Events.Load()
		s.Bytes += in.Counters.Bytes.Load()
		s.LaneFull += in.Counters.LaneFull.Load()
		s.NoSlot += in.Counters.NoSlot.Load()
	}
	return s
}

// Latency is a lane's time from received to processed, and from received to
// stored.
func (e *Engine) Latency(lane event.Lane) (processed, stored *metrics.Snapshot) {
	return e.processors[lane].Meter.Latency.Snapshot(), e.storer.Stored[lane].Latency.Snapshot()
}

// SLAs are the bounds that Stats.Missed counts against.
var SLAs = process.SLA

// Threads are those that run, with the CPUs that the kernel lets them use.
func (e *Engine) Threads() []*duty.Thread { return e.threads }

// Addr is the address that the engine listens on; "" when it does not.
func (e *Engine) Addr() string {
	if e.tcp == nil {
		return ""
	}
	return e.tcp.Address.String()
}
