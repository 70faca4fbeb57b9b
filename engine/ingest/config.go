package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// Config says where to take frames, from whom, and what the log behind can
// promise. Default fills it.
type Config struct {
	// Address is host:port; port 0 lets the system choose. Off loopback it needs
	// TLS and Tokens, or Insecure, for whoever reaches the port may publish.
	Address  string
	Insecure bool

	TLS    *tls.Config    // nil is plain TCP; a relay for each connection, not the fast path
	Tokens []Token        // who may publish; none is everyone, and then v1 clients too
	Cap    event.Priority // the highest priority that may be claimed here; a Token may lower it

	// TrustIntended keeps the intended times of clients whose hello names this
	// machine's boot and time namespace; all others are taken off, for a time on
	// another clock would falsify every latency that is counted from it.
	TrustIntended bool

	Promise Promise
	Limits  Limits
	Clock   cpu.Clock    // the counter's rate
	Log     *slog.Logger // where refused clients are named; nil is slog.Default
}

// Promise is what can be answered: the highest level that the log reaches, and
// the log's mode, which every answer names.
type Promise struct {
	Level wire.Level
	Mode  wire.Mode
}

// Limits keep one client from being everybody's trouble. Each is over 0.
type Limits struct {
	// Connections is how many there may be at once, to 16,000; PerAddress of them
	// from one client address. One more is closed as soon as it is accepted.
	Connections, PerAddress int

	// FirstFrame bounds the time from accept to the first whole frame, Completion
	// that from a frame's first byte to its last, Silence that between two frames.
	// On loopback silence has no bound: a sender there may have nothing to say,
	// and the kernel's keepalive knows whether it lives. Too short, and slow links
	// are cut; too long, and idle sockets hold connections that others need.
	FirstFrame, Completion, Silence time.Duration

	// Unread is how many bytes of answers, and Unreading how long, a client may
	// leave lie before it is cut off.
	Unread    int
	Unreading time.Duration

	// Handshake bounds a TLS handshake, Handshakes how many there are at once.
	Handshake  time.Duration
	Handshakes int

	// InFlight bounds the bytes of all connections' unfinished and held frames,
	// beyond the pools. Clients over it wait: it is backpressure. At least 2 MiB a worker.
	InFlight int
}

// Default is the configuration for an address.
func Default(address string, clock cpu.Clock) Config {
	return Config{Address: address, Cap: event.Critical, Limits: DefaultLimits(), Clock: clock}
}

// DefaultLimits suit an engine among friends.
func DefaultLimits() Limits {
	return Limits{
		Connections: 1024, PerAddress: 64,
		FirstFrame: 5 * time.Second, Completion: 10 * time.Second, Silence: 60 * time.Second,
		Unread: 1 << 20, Unreading: 5 * time.Second,
		Handshake: 5 * time.Second, Handshakes: 64,
		InFlight: 256 << 20,
	}
}

const (
	maxConnections = 16_000
	leastInFlight  = 2 * wire.MaxFrame // a worker: else a large frame could never be put together
)

// Validate judges the configuration for so many workers.
func (c *Config) Validate(workers int) error {
	switch {
	case workers < 1:
		return errors.New("no worker to hand connections to")
	case c.Cap >= event.Priorities:
		return fmt.Errorf("priority cap %d: must be 0 (BATCH) to 4 (CRITICAL)", c.Cap)
	case c.Clock.Hz <= 0:
		return errors.New("clock is not calibrated")
	case c.Limits.InFlight < workers*leastInFlight:
		return fmt.Errorf("%d bytes in flight: must be at least %d for %d worker(s)", c.Limits.InFlight, workers*leastInFlight, workers)
	}
	for i := range c.Tokens {
		if err := c.Tokens[i].validate(); err != nil {
			return err
		}
	}
	return c.Limits.Validate()
}

// Validate judges the limits.
func (l *Limits) Validate() error {
	switch {
	case l.Connections < 1 || l.Connections > maxConnections:
		return fmt.Errorf("connections %d: must be 1 to %d", l.Connections, maxConnections)
	case l.PerAddress < 1:
		return fmt.Errorf("connections per address %d: must be at least 1", l.PerAddress)
	case l.FirstFrame <= 0 || l.Completion <= 0 || l.Silence <= 0:
		return fmt.Errorf("first frame %v, completion %v and silence %v must be over 0", l.FirstFrame, l.Completion, l.Silence)
	case l.Unread < wire.AnswerSize || l.Unreading <= 0:
		return fmt.Errorf("unread answers of %d bytes for %v: must be at least %d, and over 0", l.Unread, l.Unreading, wire.AnswerSize)
	case l.Handshake <= 0 || l.Handshakes < 1:
		return fmt.Errorf("%d handshakes of %v: must be at least 1, and over 0", l.Handshakes, l.Handshake)
	}
	return nil
}

// Secret is a string that does not show itself when it is printed.
type Secret string

func (Secret) String() string { return "(redacted)" }

// GoString keeps %#v from showing it too.
func (Secret) GoString() string { return "(redacted)" }

// Token lets a client in.
type Token struct {
	Name   string // for the log
	Secret Secret // 16 to 1024 bytes
	Cap    event.Priority
}

const leastSecret = 16

func (t *Token) validate() error {
	if len(t.Secret) < leastSecret || len(t.Secret) > wire.MaxToken {
		return fmt.Errorf("token %q: its secret has %d bytes, must have %d to %d", t.Name, len(t.Secret), leastSecret, wire.MaxToken)
	}
	if t.Cap >= event.Priorities {
		return fmt.Errorf("token %q: priority cap %d must be 0 (BATCH) to 4 (CRITICAL)", t.Name, t.Cap)
	}
	return nil
}

// recognise finds the token that was presented, or nil. It compares digests,
// all of them to the end, so that the time it takes tells neither the content
// nor the length of any.
func recognise(tokens []Token, presented []byte) (found *Token) {
	digest := sha256.Sum256(presented)
	for i := range tokens {
		want := sha256.Sum256([]byte(tokens[i].Secret))
		if subtle.ConstantTimeCompare(digest[:], want[:]) == 1 {
			found = &tokens[i]
		}
	}
	return found
}
