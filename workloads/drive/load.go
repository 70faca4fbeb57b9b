package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

const (
	// writeBytes is the most that goes into one write: what is due, in an open
	// loop; always so much in a closed one.
	writeBytes = 128 << 10

	// sleepOver is the wait, in ns, for which the sender sleeps rather than spin:
	// a sleep may last a millisecond longer than asked.
	sleepOver = 2_000_000

	// sleepMost is the longest sleep, in ns: whoever cancels waits for it.
	sleepMost = 100_000_000

	dialTimeout   = 5 * time.Second
	finishTimeout = 5 * time.Second
)

// Load sends what the Spec says and reports. The sender spins while it waits,
// so that it is on time, and so takes a whole CPU at over 500 events a second.
// Cancelling ctx ends it early, with a Partial report and no error. With an
// error, the report holds what was sent until then.
func Load(ctx context.Context, spec Spec) (Report, error) {
	if err := spec.Validate(); err != nil {
		return Report{}, err
	}
	s, err := newSender(ctx, spec.withProducer())
	if err != nil {
		if ctx.Err() != nil {
			return Report{Partial: true}, nil
		}
		return Report{}, err
	}
	defer s.close()
	defer context.AfterFunc(ctx, func() { s.cancelled.Store(true); s.unblock() })()
	done := make(chan error)
	go func() { done <- s.run() }() // its thread, once pinned, ends with it
	err = <-done
	if s.cancelled.Load() {
		s.report.Partial, err = true, nil
	}
	return s.report, err
}

// sender is a load under way. It belongs to the goroutine that runs it.
type sender struct {
	spec   Spec
	links  []*link
	turn   int // the link of the next write
	clock  cpu.Clock
	now    func() int64   // ns since the start
	wait   func(ns int64) // for about as long
	start  int64          // ns, CLOCK_MONOTONIC_RAW: when the schedule begins
	frame  wire.Frame
	buffer []byte
	ends   []int   // where each frame of the buffer ends
	due    []int64 // when each event of the buffer was, ns after the start
	first  uint64  // the number of the buffer's first event
	debts  metrics.Histogram
	away   *away
	times  *times // nil unless answers are asked for
	ears   []*ear // one a link, or none
	report Report

	patience  time.Duration // for the server to read to the end
	cancelled atomic.Bool
}

func newSender(ctx context.Context, spec Spec) (*sender, error) {
	clock, err := cpu.Calibrate()
	if err != nil {
		return nil, err
	}
	s := prepared(spec)
	s.clock, s.away = clock, newAway(clock)
	for range spec.Connections {
		l, err := connect(ctx, &s.spec)
		if err != nil {
			s.close()
			return nil, err
		}
		s.links = append(s.links, l)
	}
	return s, nil
}

// prepared is a sender without a clock or links.
func prepared(spec Spec) *sender {
	s := &sender{spec: spec, wait: wait, frame: spec.template(), patience: finishTimeout}
	s.frame.Payload = pattern(spec.Size)
	s.buffer = make([]byte, 0, writeBytes+s.frame.Size())
	s.report.Asked = spec.Schedule.Rate
	if spec.Version == wire.V2 {
		s.report.Producer = spec.Producer
	}
	if spec.Stamps {
		s.report.Stamps = make([]Stamp, spec.total())
		clear(s.report.Stamps) // touches every page now rather than in the run
		s.report.Stamps = s.report.Stamps[:0]
	}
	return s
}

func (s *sender) close() {
	for _, l := range s.links {
		l.Close()
	}
}

// unblock ends a write that waits for the receiver.
func (s *sender) unblock() {
	for _, l := range s.links {
		l.SetDeadline(time.Now())
	}
}

// listen gives every link an ear, if answers are asked for.
func (s *sender) listen() error {
	if !s.spec.Ask.Wanted {
		return nil
	}
	s.times = newTimes()
	for _, l := range s.links {
		raw, err := cpu.NewTimeline(s.clock, cpu.MonotonicRaw)
		if err != nil {
			return err
		}
		e := &ear{done: make(chan struct{})}
		s.ears = append(s.ears, e)
		go e.hear(l, s.times, raw, s.start)
	}
	return nil
}

// run sends, and completes the report.
func (s *sender) run() error {
	if s.spec.CPU != Unpinned {
		if err := cpu.Pin(s.spec.CPU); err != nil {
			return fmt.Errorf("pinning the sender: %w", err)
		}
	}
	err := s.begin()
	if err != nil {
		return err
	}
	if s.spec.open() {
		err = s.openLoop(NewPacer(s.spec.Schedule))
	} else {
		err = s.closedLoop()
	}
	r := &s.report
	r.DurationNs = s.now()
	r.Rate = float64(r.Sent) / (float64(r.DurationNs) / 1e9)
	r.Debt = newQuantiles(s.debts.Snapshot())
	if s.away != nil && s.spec.open() {
		r.Lost, r.Calm = &s.away.lost, newQuantiles(s.away.calm.Snapshot())
	}
	r.Partial = s.cancelled.Load()
	if err == nil {
		err = s.finish()
	}
	if s.ears != nil {
		r.Answers = newAnswers(s.ears, r.Sent)
	}
	return err
}

// begin starts the time, and the ears.
func (s *sender) begin() error {
	raw, err := cpu.NewTimeline(s.clock, cpu.MonotonicRaw)
	if err != nil {
		return err
	}
	if s.start = raw.At(cpu.Now()); s.spec.Gate != nil {
		if s.start, err = s.spec.Gate(); err != nil {
			return err
		}
	}
	s.report.StartNs = s.start
	s.now = func() int64 {
		at := raw.At(cpu.Now()) - s.start
		s.report.ResidualNs = max(s.report.ResidualNs, raw.Residual, -raw.Residual)
		return at
	}
	return s.listen()
}

// pacer says when events are due: a Pacer.
type pacer interface {
	Next() int64
	Take() int64
}

// openLoop sends each event when it is due, or as soon as it can thereafter.
func (s *sender) openLoop(pacer pacer) error {
	total := s.spec.total()
	last, sent := int64(0), false
	for i := uint64(0); i < total && !s.cancelled.Load(); {
		now := s.now()
		s.away.round(cpu.Now(), now, sent)
		for i < total && pacer.Next() <= now && len(s.buffer) < writeBytes {
			last = pacer.Take()
			s.add(i, last)
			i++
		}
		if sent = len(s.due) > 0; !sent {
			s.rest(pacer.Next() - now)
			continue
		}
		if err := s.write(); err != nil {
			return err
		}
	}
	s.report.LagNs = max(0, s.now()-last)
	s.report.KeptUp = keptUp(s.report.LagNs, last)
	return nil
}

func (s *sender) rest(ns int64) {
	s.wait(ns)
	if ns > sleepOver {
		s.away.slept()
	}
}

// wait spins, or sleeps through the better part of a long wait.
func wait(ns int64) {
	if ns > sleepOver {
		time.Sleep(time.Duration(min(ns-sleepOver/2, sleepMost)))
		return
	}
	cpu.Pause(1)
}

// closedLoop sends as fast as the receiver takes it. Its events have no intended time.
func (s *sender) closedLoop() error {
	total := s.spec.total()
	for i := uint64(0); !s.cancelled.Load(); {
		if total == 0 && s.now() >= s.spec.Duration.Nanoseconds() || total > 0 && i == total {
			break
		}
		for (total == 0 || i < total) && len(s.buffer) < writeBytes {
			s.append(i)
			i++
		}
		if err := s.write(); err != nil {
			return err
		}
	}
	s.report.KeptUp = true
	return nil
}

// add puts the i-th event, due at the given time, into the buffer.
func (s *sender) add(i uint64, due int64) {
	s.frame.Intended = uint64(s.start + due)
	s.append(i)
	s.due = append(s.due, due)
}

func (s *sender) append(i uint64) {
	if len(s.ends) == 0 {
		s.first = i
	}
	if s.spec.Version == wire.V2 {
		s.frame.ID = s.spec.id(i)
	}
	number(s.frame.Payload, i)
	s.buffer = s.frame.Append(s.buffer)
	s.ends = append(s.ends, len(s.buffer))
}

// write sends the buffer over the next link. An event counts as sent at the
// moment before: what the write itself takes is the receiver's pressure, and
// shows as the debt of those that come after.
func (s *sender) write() error {
	now := s.now()
	for _, due := range s.due {
		s.debts.Record(now - due)
		s.away.record(due, now-due)
		if s.spec.Stamps {
			s.report.Stamps = append(s.report.Stamps, Stamp{s.start + due, s.start + now})
		}
	}
	if s.times != nil {
		s.note(now)
	}
	s.report.Sent += uint64(len(s.ends))
	l := s.links[s.turn]
	if s.turn++; s.turn == len(s.links) {
		s.turn = 0
	}
	n, full, err := l.send(s.buffer, s.ends, &s.cancelled)
	s.report.Bytes += uint64(n)
	s.report.Writes++
	s.report.Full += full
	s.buffer, s.ends, s.due = s.buffer[:0], s.ends[:0], s.due[:0]
	if errors.Is(err, syscall.ECONNREFUSED) { // of an earlier datagram
		return fmt.Errorf("nothing listens on UDP %s: start it with esc serve --udp %s", s.spec.Address, s.spec.Address)
	}
	if err != nil {
		return fmt.Errorf("%s closed the connection after some %d events (its log says why): %w", s.spec.Address, s.report.Sent, err)
	}
	return nil
}

// note says when the buffer's events were due, or in a closed loop sent.
func (s *sender) note(now int64) {
	for k := range s.ends {
		due := now
		if k < len(s.due) {
			due = s.due[k]
		}
		s.times.note(s.first+uint64(k), due)
	}
}

// finish ends the links and waits until the server has read them to their ends,
// and answered, which it shows by closing them. Of datagrams nothing is known.
func (s *sender) finish() error {
	if s.spec.Access.UDP {
		return nil
	}
	deadline := time.Now().Add(s.patience)
	for _, l := range s.links {
		if err := l.endWrite(); err != nil {
			return s.broken(err)
		}
	}
	for i, l := range s.links {
		l.SetReadDeadline(deadline)
		switch err := s.toTheEnd(i); {
		case timedOut(err):
			s.report.Unconfirmed++
		case err != nil:
			return s.broken(err)
		}
	}
	return nil
}

// toTheEnd waits until link i is closed by the server.
func (s *sender) toTheEnd(i int) error {
	if s.ears != nil {
		<-s.ears[i].done
		return s.ears[i].err
	}
	_, err := io.Copy(io.Discard, s.links[i])
	return err
}

func (s *sender) broken(err error) error {
	return fmt.Errorf("%s broke the connection off before it had read all %d events (its log says why): %w", s.spec.Address, s.report.Sent, err)
}
