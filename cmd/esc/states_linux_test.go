package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
	"eventstreamcore/workloads/drive"
)

// statesConfig has bounds that a burst of some datagrams reaches: senders by TCP
// are held before any, so that it takes datagrams to bring about pressure; and no
// lane may hold those.
const statesConfig = `
tcp: {addr: "127.0.0.1:0"}
udp: {addr: "127.0.0.1:0"}
admin: {addr: "127.0.0.1:0"}
control: {max_queue_depth: 16, min_events_for_evaluation: 50}
overflow: {transactional: DROP_NEW}
drain: 20s
`

var (
	datagramsAt = regexp.MustCompile(`msg=listening addr=\S+ udp=(\S+)`)
	adminAt     = regexp.MustCompile(`msg="admin port" addr=(\S+)`)
)

// found is what the expression finds in the server's messages.
func (p *server) found(t *testing.T, what *regexp.Regexp) string {
	t.Helper()
	m := what.FindStringSubmatch(p.messages())
	if m == nil {
		t.Fatalf("no %v: %s", what, p.messages())
	}
	return m[1]
}

// get reads a page of the admin port.
func get(t *testing.T, admin, page string) []byte {
	t.Helper()
	r, err := http.Get("http://" + admin + page)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", page, r.Status, err)
	}
	return b
}

func planeOf(t *testing.T, admin string) control.Status {
	t.Helper()
	var page struct{ Control control.Status }
	if err := json.Unmarshal(get(t, admin, "/state"), &page); err != nil {
		t.Fatal(err)
	}
	return page.Control
}

// scraped is the sum of a metric over its labels.
func scraped(t *testing.T, admin, name string) (sum uint64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllSubmatch(get(t, admin, "/metrics"), -1) {
		f, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += uint64(f)
	}
	return sum
}

// TestAllStatesUnderLoad: bursts of datagrams, each larger than the last, and one
// stream over TCP beside them. The server enters and leaves every state, and
// afterwards each event that was sent is accounted for: stored, a dead letter, or
// lost by the kernel, which says so.
func TestAllStatesUnderLoad(t *testing.T) {
	data, config := t.TempDir(), filepath.Join(t.TempDir(), "esc.yaml")
	if err := os.WriteFile(config, []byte(statesConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveProcess(t, data, "--config", config)
	udp, admin := p.found(t, datagramsAt), p.found(t, adminAt)
	var sent uint64
	for _, burst := range []int{10, 14, 20, 30} {
		for _, priority := range []string{"LOW", "HIGH"} {
			flags := []string{"--udp", "--burst", strconv.Itoa(burst), "--rate", strconv.Itoa(1000 * burst), "--duration", "400ms", "--priority", priority, "--quiet"}
			sent += sendTo(t, udp, flags...)
		}
		t.Logf("bursts of %d: %v", burst, planeOf(t, admin).Decision.State)
	}
	for tries := 0; planeOf(t, admin).Decision.State != control.Emergency && tries < 50; tries++ {
		sent += sendTo(t, udp, "--udp", "--burst", "64", "--rate", "100000", "--duration", "200ms", "--priority", "HIGH", "--quiet")
	}
	datagrams := sent
	sent += sendTo(t, p.addr, "--rate", "2000", "--count", "1000", "--priority", "CRITICAL", "--quiet")
	deadline := time.Now().Add(patience)
	for planeOf(t, admin).Decision.State != control.Healthy || scraped(t, admin, "esc_datagrams_received_total")+scraped(t, admin, "esc_datagrams_lost_total") < datagrams {
		if time.Sleep(50 * time.Millisecond); time.Now().After(deadline) {
			t.Fatalf("still %+v", planeOf(t, admin))
		}
	}
	lost := scraped(t, admin, "esc_datagrams_lost_total")
	entered, left := map[control.State]bool{}, map[control.State]bool{}
	for _, change := range planeOf(t, admin).Transitions {
		t.Logf("%v to %v: %+v", change.From, change.To, change.Figures)
		entered[change.To], left[change.From] = true, true
	}
	for s := range control.State(control.States) {
		if !entered[s] || !left[s] {
			t.Errorf("%v: entered %v, left %v", s, entered[s], left[s])
		}
	}
	if code, _ := p.terminate(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.messages())
	}
	checkAccount(t, p.stdout.String(), data, sent, lost)
}

// sendTo runs a load and says how many events it sent.
func sendTo(t *testing.T, addr string, flags ...string) uint64 {
	t.Helper()
	return loadProcess(t, drive.Default(addr), flags...).Sent
}

var servedLine = regexp.MustCompile(`^received (\d+) events, stored (\d+), left (\d+), .*\n(?:created (\d+), duplicates (\d+), folded (\d+), dead letters (\d+) kept and (\d+) lost\n)?`)

// checkAccount holds what the server said at its end against what was sent, and
// against what its two logs hold.
func checkAccount(t *testing.T, said, data string, sent, lost uint64) {
	t.Helper()
	m := servedLine.FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("the server said %q", said)
	}
	n := map[string]uint64{}
	for i, name := range []string{"received", "stored", "left", "created", "duplicates", "folded", "kept", "uncaptured"} {
		n[name], _ = strconv.ParseUint(m[i+1], 10, 64)
	}
	t.Logf("sent %d, lost by the kernel %d: %v", sent, lost, n)
	if n["received"]+lost != sent {
		t.Errorf("%d sent, %d received and %d lost by the kernel", sent, n["received"], lost)
	}
	if settled := n["stored"] + n["kept"] + n["uncaptured"] + n["duplicates"] + n["folded"]; n["received"]+n["created"] != settled || n["left"] != 0 {
		t.Errorf("%d received and %d created, %d settled, %d left", n["received"], n["created"], settled, n["left"])
	}
	if got := records(t, store.EventsDir(data), event.TypeEvent); got != n["stored"] {
		t.Errorf("%d stored, the log holds %d", n["stored"], got)
	}
	if got := records(t, store.DeadDir(data), event.TypeDeadLetter); got != n["kept"] || got == 0 {
		t.Errorf("%d dead letters kept, their log holds %d", n["kept"], got)
	}
}

func records(t *testing.T, dir string, kind event.Type) (n uint64) {
	t.Helper()
	r, err := store.NewReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		if r.Entry().Type == kind {
			n++
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", dir, err))
	}
	return n
}
