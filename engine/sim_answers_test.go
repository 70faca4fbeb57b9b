package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/wire"
)

// asking is the simulation's client that asks, and what it was told.
type asking struct {
	receipts  *bus.Lane
	refs      [64]event.Ref // off it
	last      uint32        // question
	open      map[uint32]asked
	answered  map[uint32]bool
	sequences map[uint64]uint64 // of ids stored, the last

	durable, replicated uint64 // how far the log is, whatever the engine was told
}

// asked is a question.
type asked struct {
	id       uint64
	level    wire.Level
	priority event.Priority
}

// simQuestions bounds those open at once.
const simQuestions = 1024

func (s *sim) beginAsking() {
	s.asking = asking{open: map[uint32]asked{}, answered: map[uint32]bool{}, sequences: map[uint64]uint64{}}
	s.askers.Mode = wire.ModeGroup
	s.asking.receipts = s.askers.Open(0, simQuestions, new(duty.Bell)) // the pool of the first way in, which is the feed's
	s.cfg.Replicated.Bell = new(duty.Bell)
	s.storer.Answer(&s.askers, simQuestions, s.cfg.Replicated)
}

// ask sends an event that asks, by the way of the feed.
func (s *sim) ask(e *ingest.Event) {
	a := &s.asking
	if len(a.open) == simQuestions {
		return
	}
	level := wire.Level(s.random.IntN(int(wire.Levels)))
	f := wire.Frame{Version: wire.V2, Flags: wire.WithLevel(level), ID: e.ID, Priority: e.Priority, Topic: []byte(e.Topic), Payload: e.Payload}
	a.last++
	in := s.gate.intakes[0]
	if in.Admit(&f, ingest.Arrival{Received: cpu.Now(), Answer: a.last, Origin: event.FromPlugin}) {
		a.open[a.last] = asked{e.ID, level, e.Priority}
	}
	in.Flush()
}

// note takes in what the log has stored.
func (a *asking) note(h *event.Header, sequence uint64) { a.sequences[h.ID] = sequence }

// sync lets the disk, and the replicas behind it, come nearer to what is written,
// or catch up.
func (s *sim) sync(whole bool) {
	a := &s.asking
	if whole {
		a.durable, a.replicated = s.disk.last, s.disk.last
	} else {
		a.durable += uint64(s.random.IntN(int(s.disk.last-a.durable) + 1))
		a.replicated += uint64(s.random.IntN(int(a.durable-a.replicated) + 1))
	}
	s.disk.durable = a.durable
	s.cfg.Replicated.Advance(a.replicated)
}

// hear holds each answer against what is known of its event.
func (s *sim) hear() {
	refs := s.asking.refs[:]
	for _, r := range refs[:s.asking.receipts.PopBatch(refs)] {
		question, answer := wire.ReadReceipt(r)
		s.heard(question, answer)
	}
}

func (s *sim) heard(question uint32, answer wire.Answer) {
	a := &s.asking
	about, ok := a.open[question]
	if !ok {
		s.complain("question %d answered twice, or never asked", question)
		return
	}
	delete(a.open, question)
	a.answered[question] = true
	safe := [wire.Levels]uint64{s.disk.last, a.durable, a.replicated}[about.level]
	sequence := a.sequences[about.id]
	switch answer.Outcome {
	case wire.Stored + wire.Outcome(about.level), wire.Duplicate:
		if sequence == 0 || sequence > safe && !s.unruly[about.id] {
			s.complain("event %#x, sequence %d, answered %v when %d were", about.id, sequence, answer.Outcome, safe)
		}
	case wire.DeadLettered:
		if answer.Reason == wire.ReasonNone {
			s.complain("event %#x dead-lettered for no reason", about.id)
		}
	case wire.Folded:
		if !s.cfg.Windows.Fold || about.priority.Lane() != event.LaneBatch {
			s.complain("%v event %#x folded", about.priority, about.id)
		}
	default:
		s.complain("event %#x that asked for %v answered %v", about.id, about.level, answer.Outcome)
	}
}

func (s *sim) allAnswered() {
	s.hear()
	if len(s.asking.open) > 0 {
		s.complain("%d questions were never answered", len(s.asking.open))
	}
}

// simWindows are of the time of receipt or of the event's own, folded or not.
func simWindows(seed uint64) process.Windows {
	w := process.Windows{Span: 100 * time.Millisecond, Topics: 4, Fold: seed%2 == 0}
	if seed%3 > 0 {
		w.TimeField, w.TimeUnit, w.Lateness = "t", process.TimeUnit(time.Millisecond), time.Duration(seed%5)*50*time.Millisecond
		w.Late = process.LatePolicy(seed % 3 % 2)
	}
	return w
}

// timed is a payload with a time: about now, rarely none or one far ahead.
func (s *sim) timed() []byte {
	switch at := time.Now().UnixMilli(); s.random.IntN(20) {
	case 0:
		return nil
	case 1:
		return fmt.Appendf(nil, `{"t":%d}`, at+3_600_000)
	default:
		return fmt.Appendf(nil, `{"t":%d}`, at-int64(s.random.IntN(600)))
	}
}

// tallied is what of the BATCH lane came out, stored or buried.
type tallied struct {
	batch   uint64 // events, results aside
	counted uint64 // events in results
}

func (s *sim) tally(h *event.Header) {
	if !bytes.HasPrefix(h.Topic(), []byte(process.WindowTopic)) {
		if h.Priority.Lane() == event.LaneBatch && h.Type == event.TypeEvent {
			s.tallied.batch++
		}
		return
	}
	var r struct {
		Start int64  `json:"start_ns"`
		End   int64  `json:"end_ns"`
		Count uint64 `json:"count"`
	}
	if err := json.Unmarshal(h.Payload(), &r); err != nil || r.Start%int64(s.cfg.Windows.Span) != 0 || r.End-r.Start != int64(s.cfg.Windows.Span) || r.Count == 0 {
		s.complain("result %s: %v", h.Payload(), err)
	}
	s.tallied.counted += r.Count
}

// allTallied wants each event of the BATCH lane that has a time in one result. A
// result that was lost to the dead letters, too, took its events with it.
func (s *sim) allTallied() {
	stats := s.Stats()
	want := s.tallied.batch + stats.Folded - stats.Untimed
	if s.cfg.Windows.Late == process.LateApart {
		want -= stats.Late
	}
	if got := s.tallied.counted; got > want || got < want && stats.Uncaptured == 0 {
		s.complain("%d events in results, want %d: %+v", got, want, stats)
	}
}

// spoil takes one event out of a result on its way.
func (s *sim) spoil(refs []event.Ref) {
	lane := s.batch(0)
	n := lane.PopBatch(refs)
	for _, r := range refs[:n] {
		h := s.slots.At(r)
		if at := bytes.Index(h.Payload(), []byte(`"count":`)); at >= 0 && h.Payload()[at+8] > '1' {
			h.Payload()[at+8]--
			break
		}
	}
	lane.Hand(refs[:n])
}
