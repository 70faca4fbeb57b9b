package admin

import (
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
)

func TestGuard(t *testing.T) {
	r := running(t, Config{Token: secret})
	own := r.Address.String()
	bearer := []string{"Authorization", "Bearer " + secret}
	basic := func(token string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("anyone:"+token))}
	}
	with := func(more ...string) []string { return append(slices.Clone(bearer), more...) }
	for _, test := range []struct {
		name, method, path string
		headers            []string
		want               int
	}{
		{"token", "GET", "/state", bearer, 200},
		{"token as password", "GET", "/state", basic(secret), 200},
		{"no token", "GET", "/state", nil, 401},
		{"no token for the page", "GET", "/", nil, 401},
		{"no token for a profile", "GET", "/debug/pprof/", nil, 401},
		{"wrong token", "GET", "/metrics", []string{"Authorization", "Bearer " + secret + "x"}, 401},
		{"empty token", "GET", "/metrics", []string{"Authorization", "Bearer "}, 401},
		{"wrong password", "GET", "/metrics", basic("x"), 401},
		{"other scheme", "GET", "/metrics", []string{"Authorization", "Digest " + secret}, 401},
		{"token in the address", "GET", "/metrics?token=" + secret, nil, 401},
		{"health without token", "GET", "/healthz", nil, 200},
		{"readiness without token", "GET", "/readyz", nil, 200},
		{"health with more behind it", "GET", "/healthz/../state", nil, 401},
		{"localhost", "GET", "/state", with("Host", "localhost:1"), 200},
		{"the other loopback", "GET", "/state", with("Host", "[::1]:1"), 200},
		{"another name", "GET", "/state", with("Host", "rebound.example"), 403},
		{"another name, health", "GET", "/healthz", with("Host", "rebound.example:80"), 403},
		{"localhost in another name", "GET", "/state", with("Host", "localhost.example"), 403},
		{"an address elsewhere", "GET", "/state", with("Host", "192.0.2.1"), 403},
		{"own origin", "GET", "/state", with("Origin", "http://"+own), 200},
		{"another origin", "GET", "/state", with("Origin", "http://evil.example"), 403},
		{"another port's origin", "GET", "/state", with("Origin", "http://127.0.0.1:1"), 403},
		{"opaque origin", "GET", "/state", with("Origin", "null"), 403},
		{"fetched by a page elsewhere", "GET", "/state", with("Sec-Fetch-Site", "cross-site"), 403},
		{"typed into the browser", "GET", "/", with("Sec-Fetch-Site", "none"), 200},
		{"change", "POST", "/state", bearer, 200},
		{"change from elsewhere", "POST", "/state", with("Origin", "http://evil.example"), 403},
		{"change without token", "POST", "/state", nil, 401},
		{"change by another method", "PUT", "/state", bearer, 405},
		{"change by deletion", "DELETE", "/state", bearer, 405},
		{"post to what only shows", "POST", "/metrics", bearer, 405},
		{"unknown path", "GET", "/nothing", bearer, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := ""
			if test.method == "POST" {
				body = `{"state":"auto"}`
			}
			status, header, text := r.request(test.method, test.path, body, test.headers...)
			if status != test.want {
				t.Errorf("status %d, want %d: %.200s", status, test.want, text)
			}
			if header.Get("Content-Security-Policy") != policy || header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", header)
			}
			if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Basic ") {
				t.Error("the browser is not told to ask")
			}
		})
	}
}

func TestWithoutTokenOneLooksAndChangesNothing(t *testing.T) {
	r := running(t, Config{})
	for _, path := range []string{"/", "/state", "/metrics", "/healthz", "/readyz", "/page.js", "/page.css", "/icon.svg"} {
		r.get(path)
	}
	if status, _, text := r.request("POST", "/state", `{"state":"EMERGENCY"}`); status != 403 || !strings.Contains(text, "--admin-token-file") {
		t.Errorf("status %d: %s", status, text)
	}
	if now := r.engine.Plane.Status().Decision.State; now != control.Healthy {
		t.Errorf("the state went to %v", now)
	}
}

func TestOffLoopbackWantsAToken(t *testing.T) {
	e, err := engine.New(small(t))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	log := slog.New(slog.DiscardHandler)
	if _, err := Listen(Config{Address: "0.0.0.0:0", Log: log}, e); err == nil || !strings.Contains(err.Error(), "--admin-token-file") {
		t.Errorf("without a token: %v", err)
	}
	for _, token := range []string{"short", strings.Repeat("x", 1025)} {
		if _, err := Listen(Config{Address: "127.0.0.1:0", Token: token, Log: log}, e); err == nil || !strings.Contains(err.Error(), "openssl") {
			t.Errorf("token of %d bytes: %v", len(token), err)
		}
	}
	if _, err := Listen(Config{Address: "nonsense", Log: log}, e); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("nonsense: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := Listen(Config{Address: taken.Addr().String(), Log: log}, e); err == nil || !strings.Contains(err.Error(), "--admin") {
		t.Errorf("taken: %v", err)
	}
}

func TestHostsOffLoopback(t *testing.T) {
	g := newGuard(Config{Address: "esc.example.org:9002", Token: secret}, netip.MustParseAddrPort("192.0.2.7:9002"))
	for host, want := range map[string]bool{
		"esc.example.org:9002": true, "ESC.example.org": true, "192.0.2.7:9002": true, "[2001:db8::1]:9002": true,
		"localhost": true, "example.org": false, "192.0.2.7.evil.example": false, "": false,
	} {
		if got := g.ours(host); got != want {
			t.Errorf("host %q: ours is %v, want %v", host, got, want)
		}
	}
	if unnamed := newGuard(Config{Address: ":9002"}, netip.MustParseAddrPort("[::]:9002")); unnamed.ours("") || !unnamed.ours("192.0.2.7") {
		t.Error("listening everywhere, the address is ours and no name is not")
	}
}

// A client that connects and says nothing takes one of the seats, and no more.
func TestSeats(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBounded(l, 1)
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, err := b.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		c, err := b.Accept()
		if err == nil {
			err = c.Close()
		}
		second <- err
	}()
	select {
	case <-second:
		t.Fatal("a second connection was let in beside the first")
	case <-time.After(20 * time.Millisecond):
	}
	first.Close()
	first.Close() // makes room once
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	if len(b.room) != 0 {
		t.Errorf("%d seats taken by nobody", len(b.room))
	}
	b.Close()
	if _, err := b.Accept(); err == nil {
		t.Error("accepted after the end")
	}
}

func TestBodyIsBounded(t *testing.T) {
	r := running(t, Config{Token: secret})
	status, _, text := r.request("POST", "/state", `{"state":"`+strings.Repeat("x", bodyMax)+`"}`, "Authorization", "Bearer "+secret)
	if status != http.StatusBadRequest || !strings.Contains(text, "too large") {
		t.Errorf("status %d: %.200s", status, text)
	}
}
