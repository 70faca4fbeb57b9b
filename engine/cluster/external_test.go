package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"eventstreamcore/engine/event"
)

// outside starts so many servers of an external cluster, and is the URL of one.
// None of what a node's own server is told is set.
func outside(t *testing.T, servers int, jetStream bool, most int32) string {
	t.Helper()
	var routes []*url.URL
	ports := freeAddresses(t, servers)
	for _, at := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: at})
	}
	var first *server.Server
	for i, at := range ports {
		opts := &server.Options{ServerName: fmt.Sprintf("x%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: jetStream, StoreDir: t.TempDir(), MaxPayload: most}
		if servers > 1 {
			host, port, err := hostPort(at)
			if err != nil {
				t.Fatal(err)
			}
			opts.Cluster, opts.Routes = server.ClusterOpts{Name: "outside", Host: host, Port: port}, routes
		}
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(s.Shutdown)
		if !s.ReadyForConnections(patience) {
			t.Fatal("no server")
		}
		if first == nil {
			first = s
		}
	}
	return first.ClientURL()
}

// said keeps what a node logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) has(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), what)
}

// abroad is a node whose streams an external cluster keeps.
func abroad(t *testing.T, url string) (n *Node, w *writer, log *said) {
	t.Helper()
	dir := t.TempDir()
	log = new(said)
	w = newWriter(t, filepath.Join(dir, "events"))
	cfg := Default("n1", dir)
	cfg.URL, cfg.Partitions, cfg.Lease, cfg.Source = url, 2, 2*time.Second, w.source(filepath.Join(dir, "events"))
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	return started(t, cfg), w, log
}

// TestExternalCluster: three servers that know nothing of events keep a node's,
// and who comes later with another folder has them.
func TestExternalCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take seconds")
	}
	const events = 1000
	n, w, _ := abroad(t, outside(t, 3, true, maxMessage))
	joined(t, n)
	for i := range events {
		w.put(1<<40|uint64(i+1), event.Medium, fmt.Sprintf("t/%d", i%7), []byte("payload"))
	}
	w.commit()
	eventually(t, "all is replicated", func() bool { return n.Replicated() == w.log.Durable() })
	holds(t, n, events)
	cfg := n.cfg
	cfg.Name, cfg.Dir, cfg.Source = "n2", t.TempDir(), Source{}
	late := started(t, cfg)
	joined(t, late)
	holds(t, late, events)
}

// TestExternalServerThatWillNotDo: why a node does not join is said, once, in the
// server's words.
func TestExternalServerThatWillNotDo(t *testing.T) {
	for name, c := range map[string]struct {
		jetStream bool
		most      int32
		why       string
	}{
		"one server, where three are wanted": {true, maxMessage, "replicas > 1 not supported"},
		"without JetStream":                  {false, maxMessage, "no responders"},
		"with the usual limit":               {true, 1 << 20, "max_payload of the server is 1048576"},
	} {
		n, _, log := abroad(t, outside(t, 1, c.jetStream, c.most))
		eventually(t, name+": "+c.why, func() bool { return log.has(c.why) })
		select {
		case <-n.Joined():
			t.Errorf("%s: joined", name)
		default:
		}
	}
	cfg := Default("n1", t.TempDir())
	at := freeAddresses(t, 2)
	cfg.URL, cfg.Logger = "nats://me:secret@"+at[0]+",nats://you:secret@"+at[1], quiet(t)
	if n, err := Start(cfg); err == nil || strings.Count(err.Error(), ":xxxxx@127.0.0.1:") != 2 || strings.Contains(err.Error(), "secret") {
		if n != nil {
			n.Close()
		}
		t.Errorf("nobody listens there: %v", err)
	}
}

// guarded is an external server with two users, of whom one may not use JetStream.
func guarded(t *testing.T, at, password string) *server.Server {
	t.Helper()
	host, port, err := hostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	users := []*server.User{
		{Username: "me", Password: password},
		{Username: "guest", Password: password, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.>"}}}},
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), MaxPayload: maxMessage, Users: users})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(patience) {
		t.Fatal("no server")
	}
	return s
}

// TestExternalServerThatDoesNotLetIn: wrong credentials end a node, and a client,
// at once and by a line that shows none of them; who is let in and may not do what
// a node does is told so.
func TestExternalServerThatDoesNotLetIn(t *testing.T) {
	at := freeAddresses(t, 1)[0]
	guarded(t, at, "right")
	for _, who := range []string{"me:guessed@", "nobody:guessed@", "guessed@", ""} {
		cfg := Default("n1", t.TempDir())
		cfg.URL, cfg.Logger = "nats://"+who+at, quiet(t)
		n, err := Start(cfg)
		if err == nil {
			n.Close()
		}
		c, dialled := Dial([]string{cfg.URL}, "")
		if dialled == nil {
			c.Close()
		}
		for _, err := range []error{err, dialled} {
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "Authorization Violation") || !strings.Contains(err.Error(), at) || strings.Contains(err.Error(), "guessed@") {
				t.Errorf("%q: %v", who, err)
			}
		}
	}
	_, _, log := abroad(t, "nats://me:right@"+at)
	eventually(t, "who is let in gets further", func() bool { return log.has("replicas > 1 not supported") })
	_, _, log = abroad(t, "nats://guest:right@"+at)
	eventually(t, "who may not is told so", func() bool { return log.has("Permissions Violation for Publish") })
}

// TestExternalServerThatLetsInNoLonger: a password that is changed while a node runs
// is said; once it is what it was the node is there again.
func TestExternalServerThatLetsInNoLonger(t *testing.T) {
	at := freeAddresses(t, 1)[0]
	s := guarded(t, at, "right")
	_, _, log := abroad(t, "nats://me:right@"+at)
	change := func(password string) {
		s.Shutdown()
		s.WaitForShutdown()
		s = guarded(t, at, password)
	}
	change("another")
	eventually(t, "it is said", func() bool { return log.has("authorization violation") })
	change("right")
	eventually(t, "it is reached again", func() bool { return log.has("reached again") })
}
