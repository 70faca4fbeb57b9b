package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// asEsc makes the test's own binary be esc, with the arguments that the
// variable holds, a line each.
const asEsc = "TEST_AS_ESC"

func TestAsEsc(t *testing.T) {
	args, ok := os.LookupEnv(asEsc)
	if !ok {
		t.Skip("only as a process of another test")
	}
	os.Exit(run(strings.Split(args, "\n")))
}

// running is esc in a process of its own.
type running struct {
	*exec.Cmd
	messages *bufio.Scanner
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	p := &running{Cmd: exec.Command(os.Args[0], "-test.run=^TestAsEsc$")}
	p.Env = append(os.Environ(), asEsc+"="+strings.Join(args, "\n"))
	stderr, err := p.StderrPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	p.messages = bufio.NewScanner(stderr)
	return p
}

// says waits for a message and returns what the pattern's group found.
func (p *running) says(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var met []string
	for p.messages.Scan() {
		if m := re.FindStringSubmatch(p.messages.Text()); m != nil {
			return m[len(m)-1]
		}
		met = append(met, p.messages.Text())
	}
	t.Fatalf("esc ended without saying %s:\n%s", pattern, strings.Join(met, "\n"))
	return ""
}

// TestTopicsReloadOnHangup replaces the topics of a running server while a
// client sends: first by a bad file, which changes nothing, then by a good one.
// Every event is stored, in order, with the priority of the one table or, from
// some event on, the other.
func TestTopicsReloadOnHangup(t *testing.T) {
	dir := t.TempDir()
	topics, data := filepath.Join(dir, "topics.conf"), filepath.Join(dir, "data")
	fill := func(text string) {
		t.Helper()
		if err := os.WriteFile(topics, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fill("orders/+:HIGH\n")
	p := start(t, "serve", "--data", data, "--addr", "127.0.0.1:0", "--topics", topics, "--mode", "os")
	client, err := net.Dial("tcp", p.says(t, `msg=listening addr=(\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sent := 0
	send := func(n int) {
		t.Helper()
		for range n {
			f := wire.Frame{Version: wire.V1, Priority: event.Low, Topic: []byte("orders/new"), Payload: fmt.Appendf(nil, "%d", sent)}
			if _, err := client.Write(f.Append(nil)); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	hangup := func(text, answer string) {
		t.Helper()
		for deadline := time.Now().Add(patience); len(stored(t, data)) < sent; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d events stored before the hang-up", len(stored(t, data)), sent)
			}
		}
		fill(text)
		p.Process.Signal(syscall.SIGHUP)
		send(200)
		p.says(t, answer)
		send(200)
	}
	send(200)
	hangup("orders/+:CRITICAL\norders/new\n", `level=ERROR msg="topics stay as they were.*topics.conf:2: `)
	before := sent
	hangup("orders/+:CRITICAL\n", `msg="topics read anew" .*patterns=(1)`)
	client.(*net.TCPConn).CloseWrite() // before the signal: a stopping server reads on only from who has finished
	io.Copy(io.Discard, client)        // until the server has read what was sent
	p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Fatalf("esc serve: %v", err)
	}
	priorities := stored(t, data)
	if len(priorities) != sent {
		t.Fatalf("%d events stored of %d", len(priorities), sent)
	}
	for i, got := range priorities {
		if i < before && got != event.High || i >= sent-200 && got != event.Critical || i > 0 && got < priorities[i-1] {
			t.Fatalf("event %d of %d: %v after %v", i, sent, got, priorities[max(0, i-1)])
		}
	}
}

// stored are the priorities in the log, whose payloads must count up.
func stored(t *testing.T, data string) (priorities []event.Priority) {
	t.Helper()
	r, err := store.NewReader(store.EventsDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		if e := r.Entry(); e.Type == event.TypeEvent {
			if string(e.Payload) != fmt.Sprint(len(priorities)) {
				t.Fatalf("event %d is %s", len(priorities), e.Payload)
			}
			priorities = append(priorities, e.Priority)
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return priorities
}

// TestServeEnds is the clean end of an idle server.
func TestServeEnds(t *testing.T) {
	p := start(t, "serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	p.says(t, `msg="admin port" addr=(\S+)`)
	p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}
