package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"

	"eventstreamcore/reports/record"
)

const (
	dialWait  = 30 * time.Second
	readyWait = 60 * time.Second // for an agent that measures its host and connects
	lifeSign  = time.Second      // between pings that nobody waits for
)

// Session commands one agent. It belongs to one goroutine.
type Session struct {
	Address string
	Hello   Hello

	line  *line
	now   func() (int64, error)
	quiet context.CancelFunc // ends the signs of life
	asked int                // pings that were numbered
}

// Dial connects to an agent, and is welcomed.
func Dial(ctx context.Context, address string, config *tls.Config) (*Session, error) {
	s := &Session{Address: address, now: rawNow}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialWait}, Config: config}
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, s.failed(fmt.Errorf("not reached: %w: is esc load --agent running there, and the port open?", err))
	}
	s.line = newLine(conn)
	r, err := s.next(dialWait)
	if err == nil && r.Hello == nil {
		err = errors.New("it said no hello")
	}
	if err == nil && r.Hello.Protocol != protocol {
		err = fmt.Errorf("it speaks protocol %d, this is %d: start the same esc there", r.Hello.Protocol, protocol)
	}
	if err != nil {
		conn.Close()
		return nil, s.failed(err)
	}
	s.Hello = *r.Hello
	s.live()
	return s, nil
}

// Close ends the session, and with it any load of it.
func (s *Session) Close() error {
	s.quiet()
	return s.line.conn.Close()
}

// live shows the agent that we do, until Close.
func (s *Session) live() {
	ctx, quiet := context.WithCancel(context.Background())
	s.quiet = quiet
	go func() {
		tick := time.NewTicker(lifeSign)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = s.line.send(request{Ping: &Ping{}}) // who receives hears what is wrong
			}
		}
	}()
}

func (s *Session) failed(err error) error { return fmt.Errorf("agent %s: %w", s.Address, err) }

// next is the agent's next reply, if that is no refusal.
func (s *Session) next(patience time.Duration) (r reply, err error) {
	if err := s.line.receive(&r, replyMost, patience); err != nil {
		if errors.Is(err, errGone) {
			err = errors.New("it has gone")
		}
		return r, err
	}
	if r.Refused != "" {
		return r, fmt.Errorf("refused: %s", plain(r.Refused))
	}
	return r, nil
}

// plain is a text without what a terminal may obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// pings are what one measurement of the offset takes: the quickest of them bound it.
const pings = 64

// Offset measures between which bounds the agent's clock differs from ours now.
// It may not be asked while a load runs.
func (s *Session) Offset() (Offset, error) {
	var all []exchange
	for range pings {
		x, err := s.exchange()
		if err != nil {
			return Offset{}, s.failed(err)
		}
		all = append(all, x)
	}
	o, err := bounds(all)
	if err != nil {
		return o, s.failed(err)
	}
	return o, nil
}

func (s *Session) exchange() (x exchange, err error) {
	if x.sent, err = s.now(); err != nil {
		return x, err
	}
	s.asked++
	if err := s.line.send(request{Ping: &Ping{N: s.asked}}); err != nil {
		return x, err
	}
	for {
		r, err := s.next(silenceMax)
		if err == nil && r.Pong == nil {
			err = errors.New("it answered a ping with something else")
		}
		if err != nil {
			return x, err
		}
		if r.Pong.N == s.asked {
			x.agent = r.Pong.At
			x.back, err = s.now()
			return x, err
		}
	}
}

// Prepare gives the order, and waits until the agent is ready to start.
func (s *Session) Prepare(ctx context.Context, o Order) error {
	if err := s.line.send(request{Order: &o}); err != nil {
		return s.failed(err)
	}
	r, err := s.await(ctx, readyWait)
	if err == nil && r.Ready == nil {
		err = errors.New("it is not ready, and says something else")
	}
	if err != nil {
		return s.failed(err)
	}
	return nil
}

// Start lets the load begin, at a time of the agent's own clock in ns.
func (s *Session) Start(at int64) error {
	if err := s.line.send(request{Start: &Start{At: at}}); err != nil {
		return s.failed(err)
	}
	return nil
}

// Result waits for the load's record, at most so long.
func (s *Session) Result(ctx context.Context, patience time.Duration) (record.Run, error) {
	r, err := s.await(ctx, patience)
	if err == nil && r.Result == nil {
		err = errors.New("it sent no result, but something else")
	}
	if err != nil {
		return record.Run{}, s.failed(err)
	}
	return *r.Result, nil
}

// await is the next reply but pongs, which show that the agent lives.
func (s *Session) await(ctx context.Context, patience time.Duration) (reply, error) {
	stop := context.AfterFunc(ctx, func() { s.line.conn.Close() })
	defer stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		r, err := s.next(silenceMax)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil || r.Pong == nil {
			return r, err
		}
	}
	return reply{}, fmt.Errorf("it was not done within %v", patience)
}
