package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guard stands before every handler. It refuses
//   - a Host that is not ours: a page elsewhere whose name was made to resolve to
//     this address (DNS rebinding) comes with its own name,
//   - an Origin that is not ours: a page elsewhere that sends requests here with
//     the browser's stored password,
//   - who lacks the token, but for health, which says nothing,
//   - a change where no token is set.
type guard struct {
	name     string // the host of the address asked for, where that is a name
	loopback bool   // then only addresses of loopback are ours
	digest   [sha256.Size]byte
	token    bool
}

func newGuard(c Config, at netip.AddrPort) guard {
	name, _, _ := net.SplitHostPort(c.Address)
	return guard{name: name, loopback: at.Addr().Unmap().IsLoopback(), digest: sha256.Sum256([]byte(c.Token)), token: c.Token != ""}
}

// policy lets the page load what this server serves, and nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cache-Control":                "no-store",
}

// openPaths are those that need no token: whoever decides where to send traffic
// has none.
var openPaths = []string{"/healthz", "/readyz"}

const bodyMax = 4 << 10

// around lets through to next what is not refused.
func (g guard) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
		switch {
		case !g.ours(r.Host):
			http.Error(w, fmt.Sprintf("host %.100q is not this port's: use its address, or give its name to --admin", r.Host), http.StatusForbidden)
		case !sameOrigin(r):
			http.Error(w, "the request comes from a page elsewhere: open this port's own page", http.StatusForbidden)
		case !slices.Contains(openPaths, r.URL.Path) && g.token && !g.knows(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="EventStreamCore admin: any user, the token as password", charset="UTF-8"`)
			http.Error(w, "the token is missing or wrong: send it as Authorization: Bearer TOKEN, or as the password of any user", http.StatusUnauthorized)
		case !g.token && r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "changes need a token: start the server with --admin-token-file", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ours reports whether the request names this port by its address or its name.
func (g guard) ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return !g.loopback || ip.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost") || g.name != "" && strings.EqualFold(host, g.name)
}

// sameOrigin judges what browsers say of where a request comes from; others than
// browsers say nothing.
func sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err == nil && u.Host == r.Host
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin" || site == "none"
}

// knows compares in constant time: digests, so that not even the length shows.
func (g guard) knows(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		if _, token, ok = r.BasicAuth(); !ok {
			return false
		}
	}
	digest := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(digest[:], g.digest[:]) == 1
}
