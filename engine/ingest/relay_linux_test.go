package ingest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// certificate is a self-signed one for the loopback, for both sides.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// secureServer takes TLS 1.3, and wants the client's certificate if it has roots for it.
func secureServer(t testing.TB, clients *x509.CertPool, change func(*Config)) (*server, *tls.Config) {
	t.Helper()
	own, roots := certificate(t)
	s := serve(t, newRig(t, 256, testClasses), func(c *Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS13}
		if clients != nil {
			c.TLS.ClientCAs, c.TLS.ClientAuth = clients, tls.RequireAndVerifyClientCert
		}
		if change != nil {
			change(c)
		}
	})
	return s, &tls.Config{RootCAs: roots}
}

// stepping steps the worker in the background while a client call blocks.
func (s *server) stepping(t testing.TB, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	var err error
	s.until(t, "the client is done", func() bool {
		select {
		case err = <-done:
			return true
		default:
			return false
		}
	})
	return err
}

// TestTLS sends frames of all sizes and hears the answers, then leaves.
func TestTLS(t *testing.T) {
	s, trust := secureServer(t, nil, nil)
	g := s.stage(t)
	c, err := tls.Dial("tcp", s.tcp.Address.String(), trust)
	must(t, err)
	defer c.Close()
	const count = 200
	var stream []byte
	for i := range uint64(count) {
		f := asking(i, event.High)
		f.Payload = make([]byte, i*i*13) // to 500 KiB
		stream = f.Append(stream)
	}
	go c.Write(stream)
	answered := 0
	s.until(t, "all are in", func() bool {
		for ; answered < len(s.events); answered++ {
			g.answer(s.events[answered], wire.Stored, wire.ReasonNone)
		}
		return answered == count
	})
	for i, a := range s.heard(t, c, count) {
		if a.ID != uint64(i) {
			t.Fatalf("answer %d is to %d", i, a.ID)
		}
	}
	must(t, c.CloseWrite())
	s.until(t, "it is gone", func() bool { return s.worker.Counts.Closed.Load() == 1 })
	buffer := make([]byte, 1)
	if n, err := c.Read(buffer); n != 0 || err == nil {
		t.Errorf("read %d, %v after the end", n, err)
	}
}

// TestTLSOfTheServerEnds: what the server closes is closed for the client too.
func TestTLSOfTheServerEnds(t *testing.T) {
	s, trust := secureServer(t, nil, nil)
	c, err := tls.Dial("tcp", s.tcp.Address.String(), trust)
	must(t, err)
	defer c.Close()
	c.Write([]byte("\x00\x00\x00\x00"))
	err = s.stepping(t, func() error { _, err := c.Read(make([]byte, 1)); return err })
	if err == nil {
		t.Error("still open")
	}
	s.until(t, "it is logged under the client's address", func() bool { return s.log.has(c.LocalAddr().String()) })
}

func TestTLSRefuses(t *testing.T) {
	own, roots := certificate(t)
	stranger, _ := certificate(t)
	for name, test := range map[string]struct {
		client func(trust *tls.Config)
		ok     bool
	}{
		"the right certificate": {func(c *tls.Config) { c.Certificates = []tls.Certificate{own} }, true},
		"no certificate":        {func(*tls.Config) {}, false},
		"a stranger's":          {func(c *tls.Config) { c.Certificates = []tls.Certificate{stranger} }, false},
		"TLS 1.2":               {func(c *tls.Config) { c.Certificates, c.MaxVersion = []tls.Certificate{own}, tls.VersionTLS12 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, trust := secureServer(t, roots, nil)
			test.client(trust)
			err := s.stepping(t, func() error {
				c, err := tls.Dial("tcp", s.tcp.Address.String(), trust)
				if err != nil {
					return err
				}
				defer c.Close()
				if _, err := c.Write(frame("t", nil).Append(nil)); err != nil {
					return err
				}
				if !test.ok { // in TLS 1.3 the client hears of it only when it reads
					_, err = c.Read(make([]byte, 1))
				}
				return err
			})
			if (err == nil) != test.ok {
				t.Fatalf("client: %v", err)
			}
			if test.ok {
				s.until(t, "the event is in", func() bool { return len(s.events) == 1 })
				return
			}
			s.until(t, "it is logged", func() bool { return s.log.has("no TLS") })
			if n := s.tcp.Counts.Refused.Load(); n != 1 {
				t.Errorf("counted %d", n)
			}
		})
	}
}

// TestSlowHandshakes end in time, and there are only so many at once.
func TestSlowHandshakes(t *testing.T) {
	s, trust := secureServer(t, nil, func(c *Config) { c.Limits.Handshakes, c.Limits.Handshake = 2, 300*time.Millisecond })
	slow := []*net.TCPConn{s.dial(t), s.dial(t)}
	s.until(t, "both are under way", func() bool { return len(s.tcp.handshakes) == 2 })
	third := s.dial(t)
	s.until(t, "a third is closed", func() bool { return closed(third) })
	s.until(t, "and logged", func() bool { return s.log.has("2 TLS handshakes are under way") })
	for _, c := range slow {
		s.until(t, "a slow one is closed", func() bool { return closed(c) })
	}
	c, err := tls.Dial("tcp", s.tcp.Address.String(), trust)
	must(t, err)
	defer c.Close()
	c.Write(frame("t", nil).Append(nil))
	s.until(t, "then there is room again", func() bool { return len(s.events) == 1 })
}

// TestTLSAndATokenOpenThePort: with both it may listen off loopback.
func TestTLSAndATokenOpenThePort(t *testing.T) {
	own, _ := certificate(t)
	r := newRig(t, 64, testClasses)
	for name, test := range map[string]struct {
		tls    bool
		tokens []Token
		ok     bool
	}{
		"both":  {true, []Token{{Secret: "0123456789abcdef"}}, true},
		"TLS":   {true, nil, false},
		"token": {false, []Token{{Secret: "0123456789abcdef"}}, false},
	} {
		c := Default("0.0.0.0:0", testClock())
		if c.Tokens = test.tokens; test.tls {
			c.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
		}
		tcp, err := Listen(c, r.intake)
		if err == nil {
			tcp.Close()
		}
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "TLS and a token") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTLSIsClosed ends relays and handshakes that are under way.
func TestTLSIsClosed(t *testing.T) {
	own, roots := certificate(t)
	r := newRig(t, 64, testClasses)
	c := Default("127.0.0.1:0", testClock())
	c.TLS, c.Log = &tls.Config{Certificates: []tls.Certificate{own}}, slog.New(slog.DiscardHandler)
	tcp, err := Listen(c, r.intake)
	must(t, err)
	idle, err := net.Dial("tcp", tcp.Address.String()) // never shakes hands
	must(t, err)
	defer idle.Close()
	client, err := tls.Dial("tcp", tcp.Address.String(), &tls.Config{RootCAs: roots})
	must(t, err)
	defer client.Close()
	for tcp.Workers[0].load.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	tcp.Workers[0].Step(cpu.Now())
	closing := make(chan error, 1)
	go func() { closing <- tcp.Close() }()
	select {
	case err := <-closing:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for a client")
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client is still connected")
	}
}
