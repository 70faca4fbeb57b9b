package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
)

// The page and what it loads name no address but this server's own paths.
func TestPageAsksNobodyElse(t *testing.T) {
	r := running(t, Config{})
	for _, path := range []string{"/", "/page.css", "/page.js"} {
		text := strings.ReplaceAll(r.get(path), "http://www.w3.org/2000/svg", "")
		if m := regexp.MustCompile(`https?://|src="//|href="//|\burl\(|@import|<iframe|style="|<style|\son[a-z]+="|innerHTML|\beval\(`).FindString(text); m != "" {
			t.Errorf("%s in %s", m, path)
		}
	}
	for path, want := range map[string]string{"/": "text/html", "/page.css": "text/css", "/page.js": "javascript", "/icon.svg": "image/svg+xml", "/state": "application/json"} {
		if _, header, _ := r.request("GET", path, ""); !strings.Contains(header.Get("Content-Type"), want) {
			t.Errorf("%s is %s, want %s", path, header.Get("Content-Type"), want)
		}
	}
}

// browser runs Chromium on an address.
type browser struct {
	t    *testing.T
	path string
	dir  string
}

func newBrowser(t *testing.T) browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("not checked in a browser: chromium is not installed")
	}
	return browser{t, path, t.TempDir()}
}

// run opens the address for some seconds of the page's time and returns what the
// browser wrote to stdout, and the lines of the console.
func (b browser) run(address string, flags ...string) (out, console string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	flags = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--user-data-dir=" + filepath.Join(b.dir, "profile"),
		"--enable-logging=stderr", "--virtual-time-budget=6000"}, flags...)
	cmd := exec.CommandContext(ctx, b.path, append(flags, address)...)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("chromium: %v: %s", err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return string(stdout), console
}

// outside lists what the page asked for elsewhere than at its own address.
func outside(t *testing.T, netlog, own string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(netlog)
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Events []struct {
			Params struct{ URL, Initiator string }
		}
	}
	if err := json.Unmarshal(text, &log); err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, e := range log.Events {
		if e.Params.Initiator != own {
			continue
		}
		if ours++; !strings.HasPrefix(e.Params.URL, own+"/") {
			all = append(all, e.Params.URL)
		}
	}
	if ours == 0 {
		t.Error("the browser's log shows no request of the page")
	}
	return all
}

// seen notes every text that the elements have shown: it is appended to the
// page's script, for the policy allows no other.
const seen = `
for (const where of ["#received .big", "#stored .sub", "#lane-realtime td", "#badge"]) {
  const texts = [];
  new MutationObserver(() => {
    const now = document.querySelector(where)?.textContent;
    if (now && now !== texts.at(-1)) texts.push(now);
    document.body.setAttribute("data-seen-" + where.replace(/[^a-z]/g, ""), texts.join("|"));
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}
`

// watched serves the port's handler with script appended to the page's own.
func watched(t *testing.T, r *rig, script string) *httptest.Server {
	handler := r.http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/page.js" {
			w = appending{w, script}
		}
		handler.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	return s
}

type appending struct {
	http.ResponseWriter
	more string
}

func (a appending) WriteHeader(status int) {
	a.Header().Del("Content-Length")
	a.ResponseWriter.WriteHeader(status)
}

func (a appending) Write(b []byte) (int, error) {
	n, err := a.ResponseWriter.Write(b)
	if n == len(b) && err == nil && bytes.HasSuffix(b, []byte("poll();\n")) {
		_, err = a.ResponseWriter.Write([]byte(a.more))
	}
	return n, err
}

// streaming publishes until the test ends.
func (r *rig) streaming() {
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; !stop.Load(); i++ {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			r.engine.Publish(ctx, "test/topic", []byte("payload"), event.Priority(i%event.Priorities))
			cancel()
			if i%50 == 49 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	r.t.Cleanup(func() { stop.Store(true); <-done })
}

func TestPageMovesInABrowser(t *testing.T) {
	b := newBrowser(t)
	r := running(t, Config{Token: secret})
	r.streaming()
	r.engine.Plane.Override(control.Elevated, time.Now())
	s := watched(t, r, seen)
	netlog := filepath.Join(b.dir, "net.json")
	dom, console := b.run(strings.Replace(s.URL, "://", "://anyone:"+secret+"@", 1)+"/", "--dump-dom", "--log-net-log="+netlog)
	if console != "" {
		t.Errorf("the console says: %s", console)
	}
	if elsewhere := outside(t, netlog, s.URL); len(elsewhere) > 0 {
		t.Errorf("asked elsewhere: %q", elsewhere)
	}
	for what, least := range map[string]int{"receivedbig": 3, "storedsub": 3, "lanerealtimetd": 2, "badge": 1} {
		m := regexp.MustCompile(`data-seen-` + what + `="([^"]*)"`).FindStringSubmatch(dom)
		if m == nil || strings.Count(m[1], "|")+1 < least {
			t.Errorf("%s showed %q, want %d texts or more", what, m, least)
		}
	}
	for _, want := range []string{`data-mood="wary"`, "ELEVATED</p>", `id="lane-batch"`, `>engine</td>`, "held by hand"} {
		if !strings.Contains(dom, want) {
			t.Errorf("no %s in the page", want)
		}
	}
}

// hand presses what a reader would: it holds the engine in a state, lets it go,
// and pauses the page.
const hand = `
setTimeout(() => { $("state").value = "CRITICAL"; $("hold").requestSubmit(); }, 1500);
setTimeout(() => { document.body.setAttribute("data-held", $("done").textContent + $("badge").textContent); $("pause").click(); }, 3500);
setTimeout(() => { document.body.setAttribute("data-paused", $("badge").textContent + $("pause").getAttribute("aria-pressed")); }, 5500);
`

func TestPageChangesTheState(t *testing.T) {
	b := newBrowser(t)
	r := running(t, Config{Token: secret})
	s := watched(t, r, hand)
	dom, console := b.run(strings.Replace(s.URL, "://", "://anyone:"+secret+"@", 1)+"/", "--dump-dom")
	if console != "" {
		t.Errorf("the console says: %s", console)
	}
	for _, want := range []string{`data-held="Held in CRITICAL.CRITICAL"`, `data-paused="pausedtrue"`} {
		if !strings.Contains(dom, want) {
			t.Errorf("no %s in %.300s", want, dom[strings.Index(dom, "<body"):])
		}
	}
	if now := r.engine.Plane.Status(); now.Decision.State != control.Critical || !now.Manual {
		t.Errorf("the plane is in %v, by hand %v", now.Decision.State, now.Manual)
	}
}

// TestPageIsPhotographed keeps pictures of the page where ESC_PICTURES names a
// folder: both widths, both schemes, for the eye.
func TestPageIsPhotographed(t *testing.T) {
	dir := os.Getenv("ESC_PICTURES")
	if dir == "" {
		t.Skip("no pictures: set ESC_PICTURES to a folder for them")
	}
	b := newBrowser(t)
	r := running(t, Config{Token: secret})
	r.streaming()
	r.engine.Plane.Override(control.Elevated, time.Now())
	for name, flags := range map[string][]string{
		"light-1280": {"--window-size=1280,1700"}, "dark-1280": {"--window-size=1280,1700", "--force-dark-mode", "--blink-settings=preferredColorScheme=0"},
		"light-400": {"--window-size=400,3000"}, "dark-400": {"--window-size=400,3000", "--blink-settings=preferredColorScheme=0"},
	} {
		address := "http://anyone:" + secret + "@" + r.Address.String() + "/"
		b.run(address, append(flags, "--virtual-time-budget=15000", "--hide-scrollbars", "--screenshot="+filepath.Join(dir, name+".png"))...)
	}
}
