package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrRefused says that whoever connects was not let in. Other credentials may be:
// to try these again is of no use.
var ErrRefused = errors.New("the user, password or key that was given is not let in")

// connect connects a node to the server in its process, or to the external one.
func connect(c *Config, s *resident, creds credentials) (*nats.Conn, error) {
	options := append(tidings(c.Logger),
		nats.Name(c.Name), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.Timeout(handshake*time.Second), nats.SyncQueueLen(1<<16))
	to := c.URL
	if s != nil {
		to = ""
		options = append(options, nats.InProcessServer(s), creds.user().option())
	} else if c.Certs != "" {
		options = append(options, nats.Secure(creds.tls), creds.user().option())
	}
	return dial(to, options...)
}

// tidings say what becomes of a connection once it stands; what is tried again and
// again, and fails for the same reason, once.
func tidings(log *slog.Logger) []nats.Option {
	told := "" // of nats' callbacks one runs at a time
	say := func(err error) {
		if err != nil && err.Error() != told {
			told = err.Error()
			log.Error("connection to the cluster's server", "err", err)
		}
	}
	return []nats.Option{
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { say(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { say(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { say(err) }),
		nats.ReconnectHandler(func(*nats.Conn) {
			told = ""
			log.Info("the cluster's server is reached again")
		}),
	}
}

func dial(to string, options ...nats.Option) (*nats.Conn, error) {
	conn, err := nats.Connect(to, options...)
	if errors.Is(err, nats.ErrAuthorization) {
		err = fmt.Errorf("%w: %w", err, ErrRefused)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster connection to %s: %w", shown(to), err)
	}
	return conn, nil
}

// shown is a list of addresses as it may be shown: without the passwords in it,
// and without what stands alone before a host, which is a token.
func shown(to string) string {
	if to == "" {
		return "the server in this process"
	}
	all := strings.Split(to, ",")
	for i, one := range all {
		if !strings.ContainsAny(one, "/@") {
			continue // HOST:PORT
		}
		if u, err := url.Parse(one); err == nil {
			if _, both := u.User.Password(); u.User != nil && !both {
				u.User = url.User("xxxxx")
			}
			all[i] = u.Redacted()
		} else {
			all[i] = "an address that does not read"
		}
	}
	return strings.Join(all, ",")
}
