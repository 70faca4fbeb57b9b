package cluster

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestConfigIsJudged(t *testing.T) {
	three := []Peer{{"n1", "127.0.0.1:1"}, {"n2", "127.0.0.1:2"}, {"n3", "127.0.0.1:3"}}
	for what, change := range map[string]func(*Config){
		"":                   func(*Config) {},
		"name":               func(c *Config) { c.Name = "a.b" },
		"folder is missing":  func(c *Config) { c.Dir = "" },
		"partitions":         func(c *Config) { c.Partitions = 65 },
		"store_bytes":        func(c *Config) { c.StoreBytes = 1 },
		"memory_bytes":       func(c *Config) { c.MemoryBytes = 1 },
		"retain_bytes":       func(c *Config) { c.RetainBytes = 4<<20 - 1 },
		"retain_age":         func(c *Config) { c.RetainAge = -1 },
		"lease":              func(c *Config) { c.Lease = time.Millisecond },
		"needs Durable":      func(c *Config) { c.Source.Dir = "x" },
		"certs are missing":  func(c *Config) { c.Certs = "" },
		"3, 5 or 7":          func(c *Config) { c.Peers = three[:2] },
		"NAME=HOST:PORT":     func(c *Config) { c.Peers = []Peer{three[0], three[1], {"n3", "host"}} },
		"twice":              func(c *Config) { c.Peers = []Peer{three[0], three[1], three[1]} },
		"not among":          func(c *Config) { c.Name = "n9" },
		"without peers":      func(c *Config) { c.URL = "nats://127.0.0.1:4222" },
		"only with certific": func(c *Config) { c.Peers, c.Client, c.Certs = nil, "127.0.0.1:0", "" },
	} {
		c := Default("n1", "dir")
		c.Peers, c.Certs = three, "certs"
		change(&c)
		err := c.Validate()
		if what == "" && err != nil || what != "" && (err == nil || !strings.Contains(err.Error(), what)) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
}

// TestWhoIsLetIn: a client without a certificate of the set, or without its
// secret, is not; and no port is open but the two that were asked for.
func TestWhoIsLetIn(t *testing.T) {
	dir := t.TempDir()
	cfg := Default("n1", filepath.Join(dir, "n1"))
	cfg.Client, cfg.Certs, cfg.Logger = freeAddresses(t, 1)[0], filepath.Join(dir, "certs"), quiet(t)
	peers := []Peer{{"n1", "127.0.0.1:0"}}
	if err := MakeCerts(cfg.Certs, peers); err != nil {
		t.Fatal(err)
	}
	if err := MakeCerts(cfg.Certs, peers); err == nil {
		t.Error("a set was made over another")
	}
	strangers := filepath.Join(dir, "strangers")
	if err := MakeCerts(strangers, peers); err != nil {
		t.Fatal(err)
	}
	n := started(t, cfg)
	if c, err := Dial([]string{cfg.Client}, cfg.Certs); err != nil {
		t.Errorf("the set's client: %v", err)
	} else {
		c.Close()
	}
	if c, err := Dial([]string{cfg.Client}, strangers); err == nil {
		t.Error("a client of another set was let in")
		c.Close()
	}
	good, err := loadCredentials(cfg.Certs, clientName)
	if err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.secret = "guessed"
	for what, options := range map[string][]nats.Option{
		"no certificate": {nats.Secure(&tls.Config{RootCAs: good.tls.RootCAs}), good.user().option()},
		"no secret":      {nats.Secure(good.tls)},
		"wrong secret":   {nats.Secure(good.tls), bad.user().option()},
	} {
		if c, err := nats.Connect(cfg.Client, options...); err == nil {
			t.Errorf("%s: let in", what)
			c.Close()
		}
	}
	if o, err := n.server.now.Load().Varz(nil); err != nil || o.HTTPPort != 0 || o.HTTPSPort != 0 || o.Cluster.Port != 0 || o.LeafNode.Port != 0 || o.MQTT.Port != 0 || o.Websocket.Port != 0 {
		t.Errorf("ports are open that nobody asked for: %+v, %v", o, err)
	}
	if key, err := os.Stat(filepath.Join(cfg.Certs, "n1.key")); err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("the key may be read by others: %v, %v", key.Mode(), err)
	}
}

// TestAloneOpensNoPort: a node without peers and clients listens nowhere.
func TestAloneOpensNoPort(t *testing.T) {
	n := alone(t, t.TempDir(), Source{})
	if a := n.server.now.Load().Addr(); a != nil && a.(*net.TCPAddr) != nil {
		t.Errorf("it listens at %v", a)
	}
}

// TestIdentityStaysWithTheFolder: and another's folder is not taken.
func TestIdentityStaysWithTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	id, err := identify(dir, "n1")
	if err != nil || id == 0 {
		t.Fatal(id, err)
	}
	if again, err := identify(dir, "n1"); again != id || err != nil {
		t.Errorf("%x, then %x, %v", id, again, err)
	}
	if _, err := identify(dir, "n2"); err == nil {
		t.Error("n2 took n1's folder")
	}
	if other, err := identify(t.TempDir(), "n1"); other == id || err != nil {
		t.Errorf("an empty folder came back as the same node: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "node.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := identify(dir, "n1"); err == nil {
		t.Error("a folder that does not say who it is was taken")
	}
}
