package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// certificate writes one for 127.0.0.1, signed by itself, and its key.
func certificate(t *testing.T) (cert, key string, authorities *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = named(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = named(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	authorities = x509.NewCertPool()
	authorities.AppendCertsFromPEM([]byte(mustRead(t, cert)))
	return cert, key, authorities
}

func named(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestServeGuarded lets in, over TLS, who has the token, up to the token's cap,
// and nobody else.
func TestServeGuarded(t *testing.T) {
	cert, key, authorities := certificate(t)
	tokens := named(t, "tokens", "# who\nsensors MEDIUM 0123456789abcdef\n")
	data := t.TempDir()
	p := start(t, "serve", "--data", data, "--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--tokens-file", tokens)
	addr := p.says(t, `msg=listening addr=(\S+)`)
	frame := func(p event.Priority) []byte {
		f := wire.Frame{Version: wire.V2, ID: 1<<40 | uint64(p), Priority: p, Topic: []byte("t"), Payload: []byte(p.String())}
		return f.Append(nil)
	}
	send := func(token string) {
		t.Helper()
		c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: authorities})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(append((&wire.Greeting{Token: []byte(token)}).Append(nil), append(frame(event.Low), frame(event.Critical)...)...))
		c.CloseWrite()
		c.SetReadDeadline(time.Now().Add(patience))
		io.Copy(io.Discard, c) // to the end: then it was read
	}
	send("0123456789abcdef")
	send("another secret 0")
	p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	r, err := store.NewReader(store.EventsDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for r.Next() {
		if e := r.Entry(); !strings.HasPrefix(string(e.Topic), process.WindowTopic) {
			got = append(got, string(e.Payload))
		}
	}
	if strings.Join(got, " ") != "LOW" {
		t.Errorf("stored %q, want only the LOW event of who had the token", got)
	}
}

func TestGuardRefuses(t *testing.T) {
	cert, key, _ := certificate(t)
	for _, c := range []struct {
		guard guard
		want  string
	}{
		{guard{tokens: named(t, "tokens", "sensors MEDIUM\n")}, "tokens:1: 2 words, where NAME PRIORITY SECRET belong"},
		{guard{tokens: named(t, "tokens", "\nsensors LOUD 0123456789abcdef\n")}, `tokens:2: priority "LOUD"`},
		{guard{tokens: named(t, "tokens", "# nobody\n")}, "names nobody"},
		{guard{tokens: "nowhere"}, "nowhere"},
		{guard{cert: key, key: cert}, "tcp.tls_cert"},
		{guard{cert: cert, key: key, clientsCA: key}, "holds no certificate"},
	} {
		if err := c.guard.apply(new(ingest.Config)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.guard, err, c.want)
		} else if strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("the secret is shown: %v", err)
		}
	}
	config := new(ingest.Config)
	if err := (&guard{cert: cert, key: key, clientsCA: cert}).apply(config); err != nil || config.TLS.ClientAuth != tls.RequireAndVerifyClientCert || config.TLS.MinVersion != tls.VersionTLS13 {
		t.Errorf("%v, %+v", err, config.TLS)
	}
	for _, text := range []string{"tcp:\n  tls_cert: a\n", "tcp:\n  tls_client_ca: a\n"} {
		if _, _, err := told(write(t, text), nil, newServeCommand().Flags()); err == nil || !strings.Contains(err.Error(), "tls_cert") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
