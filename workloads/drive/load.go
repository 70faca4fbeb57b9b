package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
		return Report{}, err
	}
	defer s.close()
	defer context.AfterFunc(ctx, func() { s.cancelled.Store(true); s.unblock() })()
	done := make(chan error)
	go func() { done <- s.run() }() // its thread, once pinned, ends with it
	err = <-done
	if s.cancelled.Load() {
		err = nil
	}
	return s.report, err
}

// sender is a load under way. It belongs to the goroutine that runs it.
type sender struct {
	spec   Spec
	conns  []*net.TCPConn
	turn   int // the connection of the next write
	raw    *cpu.Timeline
	start  int64 // ns, CLOCK_MONOTONIC_RAW: when the schedule begins
	frame  wire.Frame
	buffer []byte
	due    []int64 // of the events in the buffer, ns after the start
	debts  metrics.Histogram
	report Report

	patience  time.Duration // for the server to read to the end
	cancelled atomic.Bool
}

func newSender(ctx context.Context, spec Spec) (*sender, error) {
	clock, err := cpu.Calibrate()
	if err != nil {
		return nil, err
	}
	raw, err := cpu.NewTimeline(clock, cpu.MonotonicRaw)
	if err != nil {
		return nil, err
	}
	s := &sender{spec: spec, raw: raw, frame: spec.template(), patience: finishTimeout}
	s.frame.Payload = pattern(spec.Size)
	s.buffer = make([]byte, 0, writeBytes+s.frame.Size())
	s.report.Asked = spec.Schedule.Rate
	if spec.Version == wire.V2 {
		s.report.Producer = spec.Producer
	}
	return s, s.dial(ctx)
}

func (s *sender) dial(ctx context.Context) error {
	d := net.Dialer{Timeout: dialTimeout}
	for range s.spec.Connections {
		c, err := d.DialContext(ctx, "tcp", s.spec.Address)
		if err != nil {
			s.close()
			if errors.Is(err, syscall.ECONNREFUSED) {
				return fmt.Errorf("nothing listens on %s: start it with esc serve --addr %s", s.spec.Address, s.spec.Address)
			}
			return fmt.Errorf("connecting to %s: %w", s.spec.Address, err)
		}
		s.conns = append(s.conns, c.(*net.TCPConn))
	}
	return nil
}

func (s *sender) close() {
	for _, c := range s.conns {
		c.Close()
	}
}

// unblock ends a write that waits for the receiver.
func (s *sender) unblock() {
	for _, c := range s.conns {
		c.SetDeadline(time.Now())
	}
}

// run sends, and completes the report.
func (s *sender) run() error {
	if s.spec.CPU != Unpinned {
		if err := cpu.Pin(s.spec.CPU); err != nil {
			return fmt.Errorf("pinning the sender: %w", err)
		}
	}
	s.start = s.raw.At(cpu.Now())
	var err error
	if s.spec.open() {
		err = s.openLoop()
	} else {
		err = s.closedLoop()
	}
	r := &s.report
	r.DurationNs = s.now()
	r.Rate = float64(r.Sent) / (float64(r.DurationNs) / 1e9)
	r.Debt = newDebt(s.debts.Snapshot())
	r.Partial = s.cancelled.Load()
	if err != nil {
		return err
	}
	return s.finish()
}

// now is the time in ns since the start.
func (s *sender) now() int64 { return s.raw.At(cpu.Now()) - s.start }

// openLoop sends each event when it is due, or as soon as it can thereafter.
func (s *sender) openLoop() error {
	pacer := NewPacer(s.spec.Schedule)
	total := s.spec.total()
	last := int64(0)
	for i := uint64(0); i < total && !s.cancelled.Load(); {
		now := s.now()
		for i < total && pacer.Next() <= now && len(s.buffer) < writeBytes {
			last = pacer.Take()
			s.add(i, last)
			i++
		}
		if len(s.due) == 0 {
			wait(pacer.Next() - now)
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

// wait spins, or sleeps through the better part of a long wait.
func wait(ns int64) {
	if ns > sleepOver {
		time.Sleep(time.Duration(ns - sleepOver/2))
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
			s.report.Sent++
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
	if s.spec.Version == wire.V2 {
		s.frame.ID = s.spec.id(i)
	}
	number(s.frame.Payload, i)
	s.buffer = s.frame.Append(s.buffer)
}

// write sends the buffer over the next connection. An event counts as sent at
// the moment before: what the write itself takes is the receiver's pressure,
// and shows as the debt of those that come after.
func (s *sender) write() error {
	now := s.now()
	for _, due := range s.due {
		s.debts.Record(now - due)
	}
	s.report.Sent += uint64(len(s.due))
	s.due = s.due[:0]
	c := s.conns[s.turn]
	if s.turn++; s.turn == len(s.conns) {
		s.turn = 0
	}
	n, err := s.send(c, s.buffer)
	s.report.Bytes += uint64(n)
	s.report.Writes++
	s.buffer = s.buffer[:0]
	if err != nil {
		return fmt.Errorf("%s closed the connection after some %d events (its log says why): %w", s.spec.Address, s.report.Sent, err)
	}
	return nil
}

// send writes all of b. A pinned sender polls while the receiver's window is full:
// to sleep until it opens costs 50 us and more on a virtual machine, in which
// the receiver runs dry, and the sender would be what is measured.
func (s *sender) send(c *net.TCPConn, b []byte) (int, error) {
	if s.spec.CPU == Unpinned {
		return c.Write(b)
	}
	return pollWrite(c, b, &s.cancelled)
}

// finish ends the connections and waits until the server has read them to their
// ends, which it shows by closing them.
func (s *sender) finish() error {
	deadline := time.Now().Add(s.patience)
	for _, c := range s.conns {
		if err := c.CloseWrite(); err != nil {
			return s.broken(err)
		}
	}
	for _, c := range s.conns {
		c.SetReadDeadline(deadline)
		_, err := io.Copy(io.Discard, c)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			s.report.Unconfirmed++
		case err != nil:
			return s.broken(err)
		}
	}
	return nil
}

func (s *sender) broken(err error) error {
	return fmt.Errorf("%s broke the connection off before it had read all %d events (its log says why): %w", s.spec.Address, s.report.Sent, err)
}
