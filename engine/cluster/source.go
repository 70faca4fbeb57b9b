package cluster

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/store"
)

// source follows the node's own log as far as it is synced, deals its records
// out to the partitions, and sends them to the owners in batches, several a
// partition under way. A batch that is not settled in time is sent again, with
// all that followed it, to whoever is the owner then. What a partition has of
// this log it knows by its mark, so sending too often does no harm.
//
// One goroutine runs it. The engine is never waited for, nor does it wait.
type source struct {
	origin uint64
	cfg    Source
	logger *slog.Logger
	send   func(b group, a attempt)

	reader  *store.Reader
	parts   []sender
	read    uint64 // last sequence dealt out
	held    bool   // the reader has a record that is not synced yet
	reached atomic.Uint64
	answers chan attempt
}

// sender has a partition's batches, from the oldest that is not settled on.
type sender struct {
	gather  group
	first   uint64  // sequence of the first record gathered
	flights []batch // sent, in order
	sent    uint64  // last sequence that a batch was made of: the mark that the next expects
	round   uint64  // counts the times that all was sent again
	since   time.Time
	pause   time.Time // nothing is sent before
}

type batch struct {
	group
	first uint64
}

// attempt is one sending of a batch, and in time what became of it.
type attempt struct {
	partition int
	round     uint64
	last      uint64 // sequence of the batch's last record
	verdict   verdict
}

const (
	sendersMax   = 16                     // batches of a partition under way
	resendAfter  = 4 * time.Second        // without an answer
	resendPause  = 50 * time.Millisecond  // after a refusal
	pollShortest = 50 * time.Microsecond  // between looks at a log that is written
	pollLongest  = 2 * time.Millisecond   // and at one that rests
	pollFailed   = 500 * time.Millisecond // at one that cannot be read
	attemptsMax  = 1 << 12
)

func newSource(origin uint64, cfg Source, partitions int, logger *slog.Logger) *source {
	return &source{origin: origin, cfg: cfg, logger: logger, parts: make([]sender, partitions), answers: make(chan attempt, attemptsMax)}
}

// run sends what the partitions lack, each beyond its mark in sent, until ctx is
// done. A log that cannot be read is tried again.
func (s *source) run(ctx context.Context) {
	s.read = slices.MinFunc(s.parts, func(a, b sender) int { return cmp.Compare(a.sent, b.sent) }).sent
	for ctx.Err() == nil {
		err := s.follow(ctx)
		if ctx.Err() == nil && !errors.Is(err, store.ErrNoLog) {
			s.logger.Error("replication stands still", "err", err)
		}
		pause(ctx, pollFailed)
	}
}

func (s *source) follow(ctx context.Context) (err error) {
	if s.reader, err = store.NewReader(s.cfg.Dir); err != nil {
		return err
	}
	defer s.reader.Close()
	s.held = false
	if err := s.reader.SeekSequence(s.read + 1); err != nil {
		return err
	}
	poll := time.NewTimer(0)
	for rest := pollShortest; ; {
		moved, err := s.deal()
		if err != nil {
			return err
		}
		s.tend(time.Now())
		s.report()
		if rest = min(2*rest, pollLongest); moved {
			rest = pollShortest
		}
		poll.Reset(rest)
		select {
		case a := <-s.answers:
			s.hear(a)
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.hearAll()
	}
}

// deal deals out what is synced, until a partition has as much under way as it
// may. With some under way everywhere it waits until there is enough for a batch:
// each look at the log costs calls, and nothing would be sent.
func (s *source) deal() (moved bool, err error) {
	durable := s.cfg.Durable()
	if durable-s.read < groupEvents && !s.idle() {
		return false, nil
	}
	for s.read < durable && !s.stuck() {
		if !s.held && !s.reader.Next() {
			if err := s.reader.Err(); err != nil {
				return moved, err
			}
			s.read = max(s.read, min(s.reader.Reached(), durable)) // what was left were seals
			break
		}
		e := s.reader.Entry()
		if s.held = e.Sequence > durable; s.held {
			s.read = durable
			break
		}
		s.read, moved = e.Sequence, true
		s.put(e)
	}
	for p := range s.parts {
		if len(s.parts[p].flights) == 0 { // with one under way, the next may as well grow: a message costs as much as 100 events
			s.flush(p)
		}
	}
	return moved, nil
}

// idle reports whether a partition has nothing under way.
func (s *source) idle() bool {
	return slices.ContainsFunc(s.parts, func(q sender) bool { return len(q.flights) == 0 })
}

// stuck reports whether a partition cannot take another batch.
func (s *source) stuck() bool {
	for p := range s.parts {
		if len(s.parts[p].flights) >= sendersMax {
			return true
		}
	}
	return false
}

func (s *source) put(e *store.Entry) {
	p := partitionOf(e.Topic, len(s.parts))
	q := &s.parts[p]
	if e.Sequence <= q.sent {
		return // from before a restart: the partition has it
	}
	if q.gather.count == 0 {
		q.first = e.Sequence
		q.gather.records = make([]byte, 0, groupBytes)
	}
	if n := len(q.gather.records) + int(e.Length); q.gather.count > 0 && n > groupBytes {
		s.flush(p)
		q.first, q.gather.records = e.Sequence, make([]byte, 0, groupBytes)
	}
	q.gather.records, _ = e.AppendBinary(q.gather.records)
	q.gather.count++
	q.gather.last = e.Sequence
	if q.gather.count == groupEvents {
		s.flush(p)
	}
}

// flush makes a batch of what was gathered, and sends it.
func (s *source) flush(p int) {
	q := &s.parts[p]
	if q.gather.count == 0 {
		return
	}
	b := batch{q.gather, q.first}
	b.origin, b.prev = s.origin, q.sent
	q.sent = b.last
	q.gather = group{}
	if len(q.flights) == 0 {
		q.since = time.Now()
	}
	q.flights = append(q.flights, b)
	if q.pause.IsZero() {
		s.launch(p, &q.flights[len(q.flights)-1])
	}
}

func (s *source) launch(p int, b *batch) {
	s.send(b.group, attempt{partition: p, round: s.parts[p].round, last: b.last})
}

// tell is how an attempt ended, from any goroutine. What finds no room is asked
// again in time.
func (s *source) tell(a attempt) {
	select {
	case s.answers <- a:
	default:
	}
}

// anyRound is that of a verdict on all that a partition has under way.
const anyRound = ^uint64(0)

func (s *source) hearAll() {
	for {
		select {
		case a := <-s.answers:
			s.hear(a)
		default:
			return
		}
	}
}

// hear settles batches, or plans to send all again.
func (s *source) hear(a attempt) {
	q := &s.parts[a.partition]
	if a.round != q.round && a.round != anyRound || len(q.flights) == 0 || !q.pause.IsZero() {
		return
	}
	if a.verdict == again {
		q.pause = time.Now().Add(resendPause)
		return
	}
	n := 0
	for n < len(q.flights) && q.flights[n].last <= a.last { // an owner settles in order
		n++
	}
	q.flights = append(q.flights[:0], q.flights[n:]...)
	q.since = time.Now()
}

// tend sends again what was refused, or was not answered.
func (s *source) tend(now time.Time) {
	for p := range s.parts {
		q := &s.parts[p]
		if q.pause.IsZero() && len(q.flights) > 0 && now.Sub(q.since) > resendAfter {
			q.pause = now
		}
		if q.pause.IsZero() || now.Before(q.pause) {
			continue
		}
		q.pause, q.since = time.Time{}, now
		q.round++
		for i := range q.flights {
			s.launch(p, &q.flights[i])
		}
	}
}

// report says how far all of the log is with the majority.
func (s *source) report() {
	to := s.read
	for p := range s.parts {
		q := &s.parts[p]
		if len(q.flights) > 0 {
			to = min(to, q.flights[0].first-1)
		} else if q.gather.count > 0 {
			to = min(to, q.first-1)
		}
	}
	if to > s.reached.Load() {
		s.reached.Store(to)
		if s.cfg.Replicated != nil {
			s.cfg.Replicated(to)
		}
	}
}
