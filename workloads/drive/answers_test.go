package drive

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/wire"
)

// TestAnswersAreHeard by their outcome, with their latency, and missed.
func TestAnswersAreHeard(t *testing.T) {
	sink := newSink(t, func(s *sink) {
		s.answers = func(f *wire.Frame) *wire.Answer {
			a := &wire.Answer{ID: f.ID, Outcome: wire.Durable}
			switch f.ID % 5 {
			case 0:
				a.Outcome, a.Reason = wire.Rejected, wire.ReasonPaused
			case 1:
				return nil
			}
			return a
		}
	})
	for name, change := range map[string]func(*Spec){
		"open":   func(s *Spec) { s.Connections = 3 },
		"closed": func(s *Spec) { s.Schedule.Rate = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			spec := sink.spec()
			spec.Ask = Ask{Wanted: true, Level: wire.LevelDurable}
			change(&spec)
			report := load(t, spec)
			a := report.Answers
			if a == nil || a.Outcomes["durable"] != 3000 || a.Outcomes["rejected"] != 1000 || a.Reasons["paused"] != 1000 || a.Missing != 1000 {
				t.Fatalf("heard %+v", a)
			}
			if a.Latency == nil || a.Latency.P50 <= 0 || a.Latency.Max > report.DurationNs+time.Minute.Nanoseconds() {
				t.Errorf("latency %+v", a.Latency)
			}
		})
	}
	for _, f := range sink.frames(t) {
		if f.Flags != wire.WithLevel(wire.LevelDurable) {
			t.Fatalf("flags %#x", f.Flags)
		}
	}
}

// TestTimesForget: an answer that is too late to know its event's time has no latency.
func TestTimesForget(t *testing.T) {
	times := newTimes()
	for i := range uint64(timesKept + 10) {
		times.note(i, int64(i)*7)
	}
	for i, want := range map[uint64]bool{0: false, 10: false, 11: true, timesKept: true, timesKept + 9: true, timesKept + 10: false, 1<<40 - 1: false} {
		if due, known := times.of(i); known != want || known && due != int64(i)*7 {
			t.Errorf("event %d: %d, %v", i, due, known)
		}
	}
}

func TestHello(t *testing.T) {
	server := newSink(t, nil)
	spec := server.spec()
	spec.Access.Token = "a token of some length"
	load(t, spec)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil && string(server.hello.BootID) != strings.TrimSpace(string(boot)) || string(server.hello.Token) != string(spec.Access.Token) {
		t.Errorf("%+v", server.hello)
	}

	refusing := newSink(t, func(s *sink) { s.rejects = wire.ReasonUnauthorised })
	_, err = Load(context.Background(), refusing.spec())
	if err == nil || !strings.Contains(err.Error(), "unauthorised") || !strings.Contains(err.Error(), "--token-file") {
		t.Errorf("a refused hello: %v", err)
	}
}

// TestDatagrams compares what comes, one frame a datagram.
func TestDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.(*net.UDPConn).SetReadBuffer(4 << 20)
	spec := Default(server.LocalAddr().String())
	spec.Access.UDP, spec.Count, spec.Schedule = true, 300, Schedule{Shape: Burst, Burst: 100, Rate: 10_000}
	report := load(t, spec)
	if report.Sent != spec.Count || report.Debt == nil {
		t.Fatalf("%+v", report)
	}
	spec.Producer = report.Producer
	buffer := make([]byte, 1<<16)
	for i := range spec.Count {
		server.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, _, err := server.ReadFrom(buffer)
		if err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
		var got wire.Frame
		if m, status := wire.Decode(buffer[:n], &got); status != wire.OK || m != n {
			t.Fatalf("datagram %d of %d bytes: %d, %v", i, n, m, status)
		}
		want := spec.Expect(i)
		want.Intended = got.Intended
		if string(want.Append(nil)) != string(buffer[:n]) {
			t.Fatalf("datagram %d is %+v, want %+v", i, got, want)
		}
	}
}

func TestNoOneTakesDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	spec := Default(server.LocalAddr().String())
	spec.Access.UDP, spec.Schedule.Rate, spec.Count = true, 1000, 100
	if _, err := Load(context.Background(), spec); err == nil || !strings.Contains(err.Error(), "--udp") {
		t.Errorf("%v", err)
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	sink := newSink(t, func(s *sink) {
		s.listener = tls.NewListener(s.listener, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	})
	spec := sink.spec()
	spec.Access.TLS = &tls.Config{RootCAs: roots}
	spec.Connections = 2
	if report := load(t, spec); report.Sent != spec.Count || uint64(len(sink.frames(t))) != spec.Count {
		t.Errorf("%+v, %d received", report, len(sink.frames(t)))
	}
	spec.Access.TLS = &tls.Config{}
	if _, err := Load(context.Background(), spec); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func TestWhatDoesNotGoTogether(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"UDP and TLS":      func(s *Spec) { s.Access.UDP, s.Access.TLS = true, &tls.Config{} },
		"UDP and a token":  func(s *Spec) { s.Access.UDP, s.Access.Token = true, "t" },
		"UDP and answers":  func(s *Spec) { s.Access.UDP, s.Ask.Wanted = true, true },
		"UDP and too much": func(s *Spec) { s.Access.UDP, s.Size = true, 65_500 },
		"v1 and a token":   func(s *Spec) { s.Version, s.Access.Token = wire.V1, "t" },
		"v1 and answers":   func(s *Spec) { s.Version, s.Ask.Wanted = wire.V1, true },
		"a long token":     func(s *Spec) { s.Access.Token = ingest.Secret(strings.Repeat("t", wire.MaxToken+1)) },
		"a strange level":  func(s *Spec) { s.Ask = Ask{Wanted: true, Level: 3} },
	} {
		spec := Default("127.0.0.1:1")
		spec.Priority = event.Low
		change(&spec)
		if err := spec.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
