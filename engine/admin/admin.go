// Package admin is the engine's port for those who operate it: figures to
// scrape, health, the state as JSON, profiles, and a page on which they move.
//
// It takes the position that to watch must cost the watched nothing: counters
// that are there anyway are read when somebody asks, nothing ticks while nobody
// does, and no request comes near an event's way (but for profiles, which stop
// every thread for a moment and are there to be asked for). A port that shows
// is a port that can be misused, so it stays on loopback or wants a token, says
// no to names and origins that are not its own, and changes something only by
// POST and only for who has the token. It does not encrypt, keeps no history
// beyond some seconds, and does not draw what Prometheus and its like draw better.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/metrics"
)

// Config says where to listen and what there is to show.
type Config struct {
	// Address is host:port; port 0 lets the system choose. Off loopback it is
	// refused without a Token.
	Address string

	// Token is asked for as "Authorization: Bearer TOKEN", or as the password of
	// any user, which is how a browser asks: 16 to 1,024 bytes. Without one,
	// whoever is on this machine may look, and nobody may change anything.
	Token string

	Version string // of the program, to show

	// Registry is what else to scrape; nil for nothing. The engine's own figures
	// need not be in it.
	Registry *metrics.Registry

	Log *slog.Logger // nil is slog.Default
}

const (
	tokenLeast = 16
	tokenMost  = 1024
)

// Validate says what is wrong, or returns nil.
func (c Config) Validate() error {
	if n := len(c.Token); n != 0 && (n < tokenLeast || n > tokenMost) {
		return fmt.Errorf("admin token of %d bytes: it must have %d to %d, for example from: openssl rand -hex 32", n, tokenLeast, tokenMost)
	}
	return nil
}

// Server answers on the admin port of one engine.
type Server struct {
	Address netip.AddrPort // where it really listens

	config   Config
	engine   *engine.Engine
	http     *http.Server
	serving  sync.WaitGroup
	stopping atomic.Bool
	history  history
	tails    chan struct{} // a seat for each that follows
	end      context.CancelFunc
	began    time.Time
}

// The bounds of a request: a profile may take the longest.
const (
	headerTime     = 5 * time.Second
	answerTime     = 2 * time.Minute
	idleTime       = 30 * time.Second
	headerBytesMax = 16 << 10
	connectionsMax = 64 // one more waits until another ends
)

// Listen opens the port and answers until Close.
func Listen(c Config, e *engine.Engine) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	listener, err := open(&c)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	s := &Server{Address: listener.Addr().(*net.TCPAddr).AddrPort(), config: c, engine: e, began: time.Now(), tails: make(chan struct{}, tailsMax), end: end}
	s.history.begin(s.sample())
	s.http = &http.Server{
		Handler:           newGuard(c, s.Address).around(s.routes()),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: idleTime, // a ReadTimeout would end long answers as well
		MaxHeaderBytes: headerBytesMax,
		ErrorLog:       slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	s.serving.Go(func() {
		if err := s.http.Serve(newBounded(listener, connectionsMax)); !errors.Is(err, http.ErrServerClosed) {
			c.Log.Error("admin port has stopped", "address", s.Address, "err", err)
		}
	})
	return s, nil
}

// open binds the address.
func open(c *Config) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("admin port %s: want HOST:PORT: %w", c.Address, err)
	}
	if !resolved.IP.IsLoopback() {
		if c.Token == "" {
			return nil, fmt.Errorf("admin port %s is not on loopback, where anyone could look in: listen on 127.0.0.1, or set a token with --admin-token-file", c.Address)
		}
		c.Log.Warn("the admin port's token travels unencrypted: let a proxy with TLS stand before it", "address", c.Address)
	}
	listener, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("admin port %s is in use: stop what listens there, or choose another address with --admin: %w", c.Address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("admin port %s: %w", c.Address, err)
	}
	return listener, nil
}

// Stopping turns /readyz to 503 while the engine drains.
func (s *Server) Stopping() { s.stopping.Store(true) }

// closeTime is how long answers under way may take when the server closes.
const closeTime = time.Second

// Close ends the port. Answers under way have a second to end; who follows is
// told at once.
func (s *Server) Close() error {
	s.Stopping()
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.serving.Wait()
	return err
}
