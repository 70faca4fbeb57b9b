package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// tailing opens a tail and returns how to read its next line.
func (r *rig) tailing(query string) (next func() (line Followed, ok bool)) {
	r.t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + r.Address.String() + "/tail" + query)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/x-ndjson" {
		r.t.Fatalf("status %d, %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 2<<20)
	return func() (line Followed, ok bool) {
		if !lines.Scan() {
			return line, false
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			r.t.Fatalf("%s: %v", lines.Text(), err)
		}
		return line, true
	}
}

func TestTailShowsWhatIsProcessed(t *testing.T) {
	r := running(t, Config{})
	next := r.tailing("?topic=plant/%2B&priority=MEDIUM")
	for _, e := range []struct {
		topic    string
		payload  string
		priority event.Priority
	}{{"plant/1", "low", event.Low}, {"other", "x", event.High}, {"plant/1", "a\nb", event.Medium}, {"plant/2", "\xff\x00", event.Medium}, {"plant/3", "", event.Medium}} {
		if err := r.engine.Publish(t.Context(), e.topic, []byte(e.payload), e.priority); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []Followed{{Topic: "plant/1", Payload: "a\nb"}, {Topic: "plant/2", Bytes: []byte("\xff\x00")}, {Topic: "plant/3"}} {
		got, ok := next()
		if !ok || got.Topic != want.Topic || got.Payload != want.Payload || string(got.Bytes) != string(want.Bytes) || got.Priority != "MEDIUM" {
			t.Errorf("followed %+v, want %+v", got, want)
		}
		if got.ID == "" || time.Since(got.Received).Abs() > time.Hour {
			t.Errorf("id %q received %v", got.ID, got.Received)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if line, ok := next(); ok {
		t.Errorf("after the end came %+v", line)
	}
}

func TestTailIsLimited(t *testing.T) {
	r := running(t, Config{})
	for query, want := range map[string]string{"?topic=a/%23/b": "#", "?priority=URGENT": "URGENT"} {
		if status, _, text := r.request("GET", "/tail"+query, ""); status != 400 || text == "" {
			t.Errorf("%s: %d %q, want 400 with %q", query, status, text, want)
		}
	}
	for range tailsMax {
		r.tailing("")
	}
	if status, _, text := r.request("GET", "/tail", ""); status != 503 {
		t.Errorf("one too many: %d %s", status, text)
	}
}

// reader is a ResponseWriter that keeps what it is sent, until it is full.
type reader struct {
	http.ResponseWriter
	lines []string
	full  int
	done  func()
}

func (r *reader) SetWriteDeadline(time.Time) error { return nil }
func (r *reader) FlushError() error                { return nil }

func (r *reader) Write(line []byte) (int, error) {
	if r.lines = append(r.lines, string(line)); len(r.lines) == r.full {
		r.done()
	}
	return len(line), nil
}

// A reader that was too slow is told how many it lost, once, and not again until
// it has lost more.
func TestTailSaysWhatWasLost(t *testing.T) {
	r := running(t, Config{})
	f, err := r.engine.Follow("#", event.Batch)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const sent = 1500
	r.publish(sent)
	r.settle(sent)
	lost := f.Lost()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	to := &reader{full: int(sent-lost) + 1, done: cancel}
	stream(ctx, to, f)
	if lost == 0 || len(to.lines) != to.full {
		t.Fatalf("%d lines of %d, %d lost", len(to.lines), to.full, lost)
	}
	if want := fmt.Sprintf("{\"lost\":%d}\n", lost); to.lines[1] != want || strings.Contains(strings.Join(to.lines[2:], ""), "lost") {
		t.Errorf("said %q, want %q once", to.lines[1], want)
	}
}
