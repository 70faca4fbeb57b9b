package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
)

// guard is who may publish over TCP, by the files that say so.
type guard struct {
	tokens               string
	cert, key, clientsCA string
}

// clientOptions are those of the frame port's clients.
func (s *settings) clientOptions() []option {
	tcp := &s.engine.TCP
	l := &tcp.Limits
	return []option{
		{key: "tcp.addr", flag: "addr", value: address(&tcp.Address), usage: "TCP address for frames, HOST:PORT"},
		{key: "tcp.insecure", flag: "insecure", value: truth(&tcp.Insecure), usage: "listen off loopback without TLS and tokens, and for datagrams, where anyone may then publish"},
		{key: "tcp.tokens_file", flag: "tokens-file", value: text(&s.guard.tokens), usage: "file of who may publish, lines of NAME PRIORITY SECRET: PRIORITY is the highest that may be claimed; empty: everyone"},
		{key: "tcp.tls_cert", flag: "tls-cert", value: text(&s.guard.cert), usage: "file of the certificate chain (PEM), for TLS 1.3; empty: plain TCP"},
		{key: "tcp.tls_key", flag: "tls-key", value: text(&s.guard.key), usage: "file of its key (PEM)"},
		{key: "tcp.tls_client_ca", value: text(&s.guard.clientsCA), usage: "file of authorities (PEM), one of which clients must show a certificate of; empty: they need none"},
		{key: "tcp.cap", value: choice(&tcp.Cap, event.ParsePriority, event.Priority.String), usage: "highest priority that a client may claim: BATCH, LOW, MEDIUM, HIGH or CRITICAL"},
		{key: "tcp.trust_intended", flag: "trust-intended", value: truth(&tcp.TrustIntended), usage: "count latency from the intended times of clients on this machine"},
		{key: "tcp.connections", value: count(&l.Connections), usage: "connections at once: 1 to 16000"},
		{key: "tcp.per_address", value: count(&l.PerAddress), usage: "connections at once from one address: at least 1"},
		{key: "tcp.first_frame", value: span(&l.FirstFrame), usage: "from accept to the first whole frame"},
		{key: "tcp.completion", value: span(&l.Completion), usage: "from a frame's first byte to its last"},
		{key: "tcp.silence", value: span(&l.Silence), usage: "between two frames; on loopback there is no such bound"},
		{key: "tcp.unread", value: size(&l.Unread), usage: "answers that a client may leave unread before it is cut off"},
		{key: "tcp.unreading", value: span(&l.Unreading), usage: "and how long it may leave any"},
		{key: "tcp.handshake", value: span(&l.Handshake), usage: "a TLS handshake"},
		{key: "tcp.handshakes", value: count(&l.Handshakes), usage: "TLS handshakes at once: at least 1"},
		{key: "tcp.in_flight", value: size(&l.InFlight), usage: "unfinished and held frames of all connections, beyond which clients wait: at least 2MiB and 8 bytes"},
	}
}

// validate judges what can be judged without the files.
func (g *guard) validate() error {
	if (g.cert == "") != (g.key == "") {
		return together{errors.New("tcp.tls_cert and tcp.tls_key go together: name both, or neither")}
	}
	if g.clientsCA != "" && g.cert == "" {
		return together{errors.New("tcp.tls_client_ca is set without tcp.tls_cert: only TLS clients can show a certificate")}
	}
	return nil
}

// apply reads the files.
func (g *guard) apply(c *ingest.Config) (err error) {
	if g.tokens != "" {
		if c.Tokens, err = readTokens(g.tokens); err != nil {
			return err
		}
	}
	if g.cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(g.cert, g.key)
	if err != nil {
		return fmt.Errorf("tcp.tls_cert %s, tcp.tls_key %s: %w", g.cert, g.key, err)
	}
	c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	if g.clientsCA == "" {
		return nil
	}
	authorities, err := os.ReadFile(g.clientsCA)
	if err != nil {
		return fmt.Errorf("tcp.tls_client_ca: %w", err)
	}
	c.TLS.ClientCAs, c.TLS.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.TLS.ClientCAs.AppendCertsFromPEM(authorities) {
		return fmt.Errorf("tcp.tls_client_ca: %s holds no certificate in PEM", g.clientsCA)
	}
	return nil
}

// readTokens reads lines of NAME PRIORITY SECRET; # begins a comment. No error
// shows a secret.
func readTokens(name string) (tokens []ingest.Token, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("tcp.tokens_file: %w", err)
	}
	number := 0
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		number++
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s:%d: %d words, where NAME PRIORITY SECRET belong", name, number, len(fields))
		}
		highest, err := event.ParsePriority(fields[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		tokens = append(tokens, ingest.Token{Name: fields[0], Secret: ingest.Secret(fields[2]), Cap: highest})
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("tcp.tokens_file: %s names nobody, so nobody could publish: write NAME PRIORITY SECRET, a line each", name)
	}
	return tokens, nil
}
