package cluster

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	maxMessage = 4 << 20          // bytes; a group of one longest record fits
	handshake  = 5.0              // s, for TLS, on a machine that is busy
	startWait  = 20 * time.Second // for the server to take connections
	startLook  = 100 * time.Millisecond
	routePing  = time.Second // a peer that leaves three unanswered is cut off: it may be stopped, not dead
	sendBuffer = 64 << 20    // bytes to a slow receiver before it is cut off
)

// startServer starts the server in the process: with a port for its peers and
// one for clients where they were asked for, and no other.
func startServer(c *Config, creds credentials) (*server.Server, error) {
	opts, err := serverOptions(c, creds)
	if err != nil {
		return nil, err
	}
	hasten(c.Lease)
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("cluster server: %w", err)
	}
	failed := make(chan error, 1)
	s.SetLoggerV2(serverLog{c.Logger, failed}, false, false, false)
	go s.Start()
	if err := ready(s, failed); err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("cluster server: %w", err)
	}
	return s, nil
}

// ready waits until the server takes connections, or has said why it never will.
func ready(s *server.Server, failed <-chan error) error {
	for end := time.Now().Add(startWait); !s.ReadyForConnections(startLook); {
		select {
		case err := <-failed:
			return err
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready after %v", startWait)
		}
	}
	return nil
}

// serverOptions leaves monitoring, WebSocket, MQTT and leaf nodes off by not
// giving them ports. It names a system account, by which the servers are told who is
// no longer one of them. Beside one the server lets in whoever shows nothing, unless
// its configuration has said that there is authorization, which no field of its
// options can say.
func serverOptions(c *Config, creds credentials) (*server.Options, error) {
	opts := new(server.Options)
	if err := opts.ProcessConfigString("authorization {}"); err != nil {
		return nil, fmt.Errorf("cluster server: %w", err)
	}
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	opts.SystemAccount, opts.Accounts = system.Name, []*server.Account{system}
	opts.Nkeys = []*server.NkeyUser{{Nkey: creds.user().public}, {Nkey: creds.system().public, Account: system}}
	opts.ServerName, opts.NoSigs, opts.DontListen = c.Name, true, c.Client == "" && len(c.Peers) == 0
	opts.DisableShortFirstPing, opts.ConnectErrorReports, opts.ReconnectErrorReports = true, 1<<20, 30
	opts.JetStream, opts.StoreDir, opts.SyncAlways = true, filepath.Join(c.Dir, "streams"), true
	opts.JetStreamMaxMemory, opts.JetStreamMaxStore = c.MemoryBytes, c.StoreBytes
	opts.MaxPayload, opts.MaxPending = maxMessage, sendBuffer
	if !opts.DontListen { // a server with routes wants a port for clients, too
		host, port, err := hostPort(cmp.Or(c.Client, "127.0.0.1:0"))
		if err != nil {
			return nil, fmt.Errorf("cluster client address: %w", err)
		}
		opts.Host, opts.Port = host, port
		opts.TLS, opts.TLSVerify, opts.TLSConfig, opts.TLSTimeout = true, true, creds.tls, handshake
	}
	return opts, addRoutes(opts, c, creds)
}

// addRoutes has the server listen for its peers, and look for them.
func addRoutes(opts *server.Options, c *Config, creds credentials) error {
	for _, p := range c.Peers {
		if p.Name != c.Name {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: p.Address})
			continue
		}
		host, port, err := hostPort(cmp.Or(c.Listen, p.Address))
		if err != nil {
			return fmt.Errorf("cluster peer %s: %w", p.Name, err)
		}
		opts.Cluster = server.ClusterOpts{Name: "esc", Host: host, Port: port, Advertise: p.Address, TLSConfig: creds.tls, TLSTimeout: handshake, PoolSize: -1,
			PingInterval: routePing, MaxPingsOut: 3}
	}
	return nil
}

func hostPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, err
}

// serverLog passes on what the server says: what it fails in, and what it warns
// of. Its notices are of interest when something is looked into. What it does not
// start for it says as if its process were to end by that: once, to who starts it.
type serverLog struct {
	log    *slog.Logger
	failed chan<- error
}

func (l serverLog) Noticef(f string, v ...any) { l.log.Debug(fmt.Sprintf(f, v...), "from", "nats") }
func (l serverLog) Warnf(f string, v ...any)   { l.log.Warn(fmt.Sprintf(f, v...), "from", "nats") }
func (l serverLog) Errorf(f string, v ...any)  { l.log.Warn(fmt.Sprintf(f, v...), "from", "nats") }
func (l serverLog) Debugf(string, ...any)      {}
func (l serverLog) Tracef(string, ...any)      {}

func (l serverLog) Fatalf(f string, v ...any) {
	err := fmt.Errorf(f, v...)
	for _, of := range v {
		if port, ok := of.(*net.OpError); ok {
			err = fmt.Errorf("%w: give this node another address, or stop who has that one", port)
		}
	}
	select {
	case l.failed <- err:
	default:
		l.log.Error(err.Error(), "from", "nats")
	}
}
