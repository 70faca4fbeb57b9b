package engine

import (
	"time"

	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/wire"
)

// Stats is what the engine has done so far. Each figure is exact; together they
// are as of moments a few microseconds apart, what became of events before what
// came in. Every event taken in or made has one fate, counted when its slot is
// let go of: Received + Created = Stored + Captured + Uncaptured + Duplicates +
// Folded + InFlight. (What is rejected was never taken in.)
type Stats struct {
	Received   uint64 // events taken in, by every way
	Bytes      uint64 // of their frames
	Created    uint64 // events that the engine made: results of windows
	Stored     uint64 // events appended to the log
	Captured   uint64 // given up on, and kept as dead letters
	Uncaptured uint64 // given up on, and lost to the dead letters as well
	Duplicates uint64 // released, for their id had succeeded
	Folded     uint64 // gone into the result of a window, and not stored themselves

	Written  uint64 // last sequence handed to the kernel
	Durable  uint64 // last sequence known to be on the disk
	Damaged  bool   // the log's scrub has found bytes that no longer are what was written
	LaneFull uint64 // times that a sender was held back because a lane was full
	NoSlot   uint64 // times that a sender was held back because a pool was empty

	Dropped   [wire.Reasons]uint64 // events given up on, by reason: those that wait to be written included
	Retried   uint64               // attempts at transactions beyond the first
	Crowded   uint64               // transactions that went on unremembered
	Alerted   uint64               // errors of handlers on lanes that do not retry
	Late      uint64               // events that came behind the end of their window
	Untimed   uint64               // events in no window, for they had no time that can be
	Valueless uint64               // events in windows that had no value
	DedupHeld time.Duration        // how long ids are really remembered
	Missed    [event.Lanes]uint64  // events later than their lane's SLA,
	Queued    [event.Lanes]uint64  // of those, the ones that were so before they were taken up
}

// Settled is how many events have met their fate.
func (s Stats) Settled() uint64 {
	return s.Stored + s.Captured + s.Uncaptured + s.Duplicates + s.Folded
}

// InFlight is how many events were taken in, or made, and have not met their fate.
func (s Stats) InFlight() uint64 { return s.Received + s.Created - s.Settled() }

// Stats may be called from any goroutine.
func (e *Engine) Stats() (s Stats) {
	e.fates(&s) // first: they may then not exceed what came in
	s.Written, s.Durable, s.Damaged = e.log.Written(), e.log.Durable(), e.log.Damage() != nil
	for lane, sublanes := range e.processors {
		for _, p := range sublanes {
			s.Missed[lane] += p.Meter.Missed.Load()
			s.Queued[lane] += p.Meter.Queued.Load()
		}
	}
	for _, t := range e.transact {
		s.Retried += t.Retried.Load()
		s.Crowded += t.Crowded.Load()
	}
	s.DedupHeld = e.seen.Held()
	e.gate.arrivals(&s)
	if w := e.windows; w != nil {
		s.Missed[event.LaneBatch], s.Queued[event.LaneBatch] = w.Meter.Missed.Load(), w.Meter.Queued.Load() // an aggregate's SLA is to be folded
		s.Late, s.Untimed, s.Valueless = w.Late.Load(), w.Untimed.Load(), w.Missing.Load()
	}
	e.gate.pushback(&s)
	return s
}

func (e *Engine) fates(s *Stats) {
	for i := range e.storer.Stored {
		s.Stored += e.storer.Stored[i].Events.Load()
	}
	s.Duplicates = e.storer.Duplicates.Load()
	for _, t := range e.transact {
		s.Duplicates += t.Duplicates.Load()
	}
	e.dead.fates(s)
	if e.windows != nil {
		s.Folded = e.windows.Folded.Load()
	}
	for _, a := range e.passing {
		s.Alerted += a.Failed.Load()
	}
}

// Durable is the last sequence known to be on the disk: for who follows the log.
func (e *Engine) Durable() uint64 { return e.log.Durable() }

// Release says that of the log's records before a sequence nothing more is wanted:
// with Config.Log.Hold, retention takes none before it was.
func (e *Engine) Release(first uint64) { e.log.Release(first) }

// Latency is a lane's time from received to processed, and from received to
// stored.
func (e *Engine) Latency(lane event.Lane) (processed, stored *metrics.Snapshot) {
	processed = e.processors[lane][0].Meter.Latency.Snapshot()
	for _, p := range e.processors[lane][1:] {
		processed.Add(p.Meter.Latency.Snapshot())
	}
	return processed, e.storer.Stored[lane].Latency.Snapshot()
}

// SLAs are the bounds that Stats.Missed counts against.
var SLAs = process.SLA

// Threads are those that run, with the CPUs that the kernel lets them use.
func (e *Engine) Threads() []*duty.Thread { return e.staff.threads }

// Addr is the address that the engine listens on; "" when it does not.
func (e *Engine) Addr() string {
	if e.gate.tcp == nil {
		return ""
	}
	return e.gate.tcp.Address.String()
}
