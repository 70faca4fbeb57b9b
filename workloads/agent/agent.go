// Package agent is a load on another host, and who commands it.
//
// It takes the position that a machine lent for load is lent for nothing else.
// An agent talks to holders of certificates of its own set, and takes orders
// from the one named client alone; an order is a load of bounded size at a
// target that the agent's own user listed, and holds no path, no secret and no
// command. It has one commander at a time, and stops when that one goes away.
//
// Two hosts' clocks are never taken to agree: a commander measures between which
// bounds they differ, and what is timed on one host alone is what it reports.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// Commander is the common name that the certificate of who commands must have.
const Commander = "client"

const (
	handshakeWait  = 30 * time.Second // for a new connection to show its certificate
	connectionsMax = 16               // at a time; more are closed at once
	silenceMax     = 30 * time.Second // of a commander, before it counts as gone
	startAhead     = 30 * time.Second // the most that a start may lie in the future
	loadGrace      = 30 * time.Second // that a load may take longer than ordered
)

// Agent waits for orders.
type Agent struct {
	TLS     *tls.Config // both sides show certificates
	Limits  Limits
	Version string // of this build, which a commander compares with its own

	// Load runs a load and records it. It asks the Spec's Gate for the start.
	Load   func(context.Context, drive.Spec) (record.Run, error)
	Logger *slog.Logger

	now  func() (int64, error) // CLOCK_MONOTONIC_RAW in ns
	busy sync.Mutex            // held by the session that commands
}

// Serve takes connections until ctx is done, and ends what they started.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	if a.now == nil {
		a.now = rawNow
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var sessions sync.WaitGroup
	defer sessions.Wait()
	places := make(chan struct{}, connectionsMax)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("taking connections: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		sessions.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			if err := a.meet(ctx, tls.Server(conn, a.TLS)); err != nil {
				a.Logger.Warn("session ended", "peer", conn.RemoteAddr(), "err", err)
			}
		})
	}
}

func rawNow() (int64, error) {
	at, err := cpu.ReadAnchor(cpu.MonotonicRaw)
	return at.Ns, err
}

// meet lets a commander in, unless there is one.
func (a *Agent) meet(ctx context.Context, conn *tls.Conn) error {
	conn.SetDeadline(time.Now().Add(handshakeWait))
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("no certificate of the set: %w", err)
	}
	conn.SetDeadline(time.Time{})
	s := &session{Agent: a, line: newLine(conn)}
	if name := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; name != Commander {
		return s.refuse(fmt.Errorf("the certificate is of %q, and orders are taken from %q", name, Commander))
	}
	if !a.busy.TryLock() {
		return s.refuse(errors.New("another commands this agent"))
	}
	defer a.busy.Unlock()
	return s.serve(ctx)
}

// session is one commander's.
type session struct {
	*Agent
	*line
	start chan int64 // the gate of the load under way; nil: none is
	ended chan result
}

// result is what became of a load.
type result struct {
	run record.Run
	err error
}

// serve obeys until the commander goes away.
func (s *session) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	s.ended = make(chan result, 1)
	if err := s.send(reply{Hello: &Hello{Protocol: protocol, Version: s.Version, Limits: s.Limits}}); err != nil {
		return err
	}
	requests, heard := make(chan request), make(chan error, 1)
	go func() { heard <- s.hear(ctx, requests) }()
	for {
		var err error
		select {
		case r := <-requests:
			err = s.obey(ctx, r)
		case got := <-s.ended:
			err = s.hand(got)
		case err = <-heard:
			cancel()
			if s.start != nil { // who goes away takes the load along
				<-s.ended
				s.Logger.Info("stopped: the commander has gone", "err", err)
			}
			return err
		}
		if err != nil {
			cancel()
			if s.start != nil {
				<-s.ended
			}
			return err
		}
	}
}

// hear reads requests until the stream ends, which is no error between loads.
func (s *session) hear(ctx context.Context, requests chan<- request) error {
	for {
		var r request
		if err := s.receive(&r, requestMost, silenceMax); err != nil {
			if errors.Is(err, errGone) {
				return nil
			}
			return s.refuse(err)
		}
		if err := r.check(); err != nil {
			return s.refuse(err)
		}
		if r.Ping != nil {
			at, err := s.now()
			if err == nil {
				err = s.send(reply{Pong: &Pong{N: r.Ping.N, At: at}})
			}
			if err != nil {
				return err
			}
			continue
		}
		select {
		case requests <- r:
		case <-ctx.Done():
			return nil
		}
	}
}

// obey follows one request.
func (s *session) obey(ctx context.Context, r request) error {
	switch {
	case r.Order != nil && s.start != nil:
		return s.refuse(errors.New("one load at a time"))
	case r.Order != nil:
		spec, err := s.Limits.admit(*r.Order)
		if err != nil {
			return s.refuse(err)
		}
		s.begin(ctx, spec)
		return nil
	case s.start == nil:
		return s.refuse(errors.New("there is no load to start"))
	}
	now, err := s.now()
	if err != nil {
		return err
	}
	if ahead := time.Duration(r.Start.At - now); ahead < 0 || ahead > startAhead {
		return s.refuse(fmt.Errorf("a start %v ahead: it must be 0 to %v", ahead, startAhead))
	}
	select {
	case s.start <- r.Start.At:
		return nil
	default:
		return s.refuse(errors.New("it has been started"))
	}
}

// begin makes a load ready; its gate waits for the start.
func (s *session) begin(ctx context.Context, spec drive.Spec) {
	s.Logger.Info("ordered", "by", s.conn.RemoteAddr(), "target", spec.Address, "rate", spec.Schedule.Rate, "duration", spec.Duration)
	start := make(chan int64, 1)
	s.start = start
	ctx, cancel := context.WithTimeout(ctx, spec.Duration+startAhead+loadGrace)
	spec.Gate = func() (int64, error) {
		if err := s.send(reply{Ready: &Ready{}}); err != nil {
			return 0, err
		}
		select {
		case at := <-start:
			return at, nil
		case <-ctx.Done():
			return 0, errors.New("no start came")
		}
	}
	go func() {
		defer cancel()
		run, err := s.Load(ctx, spec)
		s.ended <- result{run, err}
	}()
}

// hand gives the commander what became of the load. One that failed ends the
// session with it.
func (s *session) hand(got result) error {
	s.start = nil
	if got.err != nil {
		return s.refuse(got.err)
	}
	s.Logger.Info("load done", "rows", len(got.run.Rows))
	return s.send(reply{Result: &got.run})
}

// refuse says why to the commander, and is that.
func (s *session) refuse(why error) error {
	return errors.Join(why, s.send(reply{Refused: why.Error()}))
}
