package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventstreamcore/engine/store"
	"eventstreamcore/workloads/drive"
)

// patience bounds every wait here: for a machine that is busy with other tests.
const patience = 60 * time.Second

// self is this test binary under the name esc, as which it is the command.
func self(t *testing.T) string { return selfAs(t, "esc") }

// selfAs is this test binary under one of the names that TestMain knows.
func selfAs(t *testing.T, name string) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// server is a running esc serve.
type server struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	addr   string

	mu     sync.Mutex
	stderr strings.Builder
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

// serveProcess starts esc serve on a free port and waits until it listens.
func serveProcess(t *testing.T, data string, flags ...string) *server {
	t.Helper()
	p := &server{}
	p.cmd = exec.Command(self(t), append([]string{"serve", "--data", data, "--addr", "127.0.0.1:0"}, flags...)...)
	p.cmd.Stdout = &p.stdout
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	addr := make(chan string, 1)
	go p.collect(pipe, addr)
	select {
	case p.addr = <-addr:
	case <-time.After(patience):
		t.Fatalf("esc serve did not listen: %s", p.messages())
	}
	return p
}

func (p *server) collect(r io.Reader, addr chan<- string) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		p.mu.Lock()
		p.stderr.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			addr <- m[1]
		}
	}
}

func (p *server) messages() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// terminate sends SIGTERM and returns the exit code and how long it took.
func (p *server) terminate(t *testing.T) (code int, took time.Duration) {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
	defer overdue.Stop()
	var exited *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(began)
}

// loadProcess runs esc load to its end.
func loadProcess(t *testing.T, spec drive.Spec, flags ...string) (report drive.Report) {
	t.Helper()
	cmd := exec.Command(self(t), append([]string{"load", "--json", "--addr", spec.Address}, flags...)...)
	out, err := cmd.Output()
	if err != nil {
		var exited *exec.ExitError
		errors.As(err, &exited)
		t.Fatalf("esc load: %v: %s", err, exited.Stderr)
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	return report
}

// compareLog reads the log and holds it against what spec sent, event by event.
func compareLog(t *testing.T, data string, spec drive.Spec, sent uint64) {
	t.Helper()
	r, err := store.NewReader(store.EventsDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	count := uint64(0)
	for ; r.Next(); count++ {
		e := r.Entry()
		index, err := spec.Index(e.Payload)
		if err != nil || index != count || string(e.Topic) != spec.Topic || e.Priority != spec.Priority {
			t.Fatalf("record %d: event %d, topic %q, %v, %v", count, index, e.Topic, e.Priority, err)
		}
	}
	if err := r.Err(); err != nil || count != sent {
		t.Fatalf("%d events in the log, %d sent, %v", count, sent, err)
	}
}

// TestServeStoresWhatLoadSends: two processes, an open loop over TCP, and every
// event in the log, whole and in order; twice, so that the log goes on.
func TestServeStoresWhatLoadSends(t *testing.T) {
	for _, plan := range []string{"fused", "split"} {
		t.Run(plan, func(t *testing.T) {
			data := t.TempDir()
			p := serveProcess(t, data, "--plan", plan, "--segment", "1048576")
			spec := drive.Default(p.addr)
			report := loadProcess(t, spec, "--rate", "20000", "--duration", "1s")
			if code, _ := p.terminate(t); code != 0 {
				t.Fatalf("exit code %d: %s", code, p.messages())
			}
			if !strings.Contains(p.stdout.String(), "received 20000 events, stored 20000, left 0") || report.Sent != 20000 {
				t.Errorf("sent %d; %s", report.Sent, p.stdout.String())
			}
			compareLog(t, data, spec, report.Sent)
			verified, err := store.Verify(store.EventsDir(data))
			if err != nil || verified.Records != 20000 || !verified.Sealed || len(verified.Damages) > 0 {
				t.Errorf("verify: %+v, %v", verified, err)
			}
		})
	}
}

// TestServeEndsWithClientsConnected: idle ones, and one in the middle of a frame.
func TestServeEndsWithClientsConnected(t *testing.T) {
	p := serveProcess(t, t.TempDir())
	for i := range 20 {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			c.Write([]byte{0, 0, 0, 100, 3, 0})
		}
	}
	code, took := p.terminate(t)
	if code != 0 || took > patience/2 {
		t.Errorf("exit code %d after %v: %s", code, took, p.messages())
	}
}

// TestServeOutlivesBadInput sends what no client should, beside a good client
// whose every event must arrive, and wants one clear line for each.
func TestServeOutlivesBadInput(t *testing.T) {
	data := t.TempDir()
	p := serveProcess(t, data)
	header := func(length uint32) []byte { return binary.BigEndian.AppendUint32(nil, length) }
	for name, bad := range map[string]struct {
		bytes []byte
		line  string
	}{
		"zero length": {header(0), "length 0"},
		"oversized":   {header(2 << 20), "length over 1 MiB"},
		"garbage":     {append(header(8), 0x77, 1, 2, 3, 4, 5, 6, 7), "unknown first byte"},
		"no topic":    {append(header(3), 1, 0, 0), "topic missing"},
		"HTTP":        {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP"},
		"cut short":   {append(header(100), 1, 0, 1, 't'), "ended within a frame"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write(bad.bytes)
			c.(*net.TCPConn).CloseWrite()
			c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("the connection was not closed: %v", err)
			}
			for deadline := time.Now().Add(patience); !strings.Contains(p.messages(), bad.line); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("no line with %q: %s", bad.line, p.messages())
				}
			}
		})
	}
	spec := drive.Default(p.addr)
	report := loadProcess(t, spec, "--rate", "0", "--count", "5000")
	if code, _ := p.terminate(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.messages())
	}
	compareLog(t, data, spec, report.Sent)
}

// TestASecondServerIsRefused: one folder, one writer.
func TestASecondServerIsRefused(t *testing.T) {
	data := t.TempDir()
	p := serveProcess(t, data)
	out, err := exec.Command(self(t), "serve", "--data", data, "--addr", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another process") {
		t.Errorf("%v: %s", err, out)
	}
	if code, _ := p.terminate(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.messages())
	}
}

func TestExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"help":            {[]string{"--help"}, 0},
		"unknown command": {[]string{"sreve"}, exitUsage},
		"unknown flag":    {[]string{"serve", "--dta", "x"}, exitUsage},
		"missing flag":    {[]string{"serve"}, exitUsage},
		"value":           {[]string{"bench", "--count", "x"}, exitUsage},
		"out of range":    {[]string{"bench", "--count", "100000"}, exitUsage},
		"nobody there":    {[]string{"load", "--addr", "127.0.0.1:1", "--count", "1"}, exitUnmeasured},
		"folder":          {[]string{"serve", "--data", "/proc/none", "--addr", "127.0.0.1:0"}, exitUnmeasured},
		"CPU":             {[]string{"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--cpus", "4095"}, exitUsage},
		"flags apart":     {[]string{"load", "--size", "64", "--frame", "100"}, exitUsage},
		"flags together":  {[]string{"load", "--cert", "x"}, exitUsage},
		"results":         {[]string{"bench", "--run", "spsc", "--out", "/proc/none"}, exitUnmeasured},
		"scratch":         {[]string{"bench", "--run", "spsc", "--out", t.TempDir(), "--scratch", "/proc/none"}, exitUnmeasured},
		"page":            {[]string{"report", "../../results/reference", "-o", "/proc/none/page.html"}, exitUnmeasured},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(c.args); got != c.want {
				t.Errorf("esc %s: exit code %d, want %d", strings.Join(c.args, " "), got, c.want)
			}
		})
	}
}

// TestServeTakesDatagrams that esc load sends by UDP, few enough for the kernel's
// buffer: all are stored.
func TestServeTakesDatagrams(t *testing.T) {
	data := t.TempDir()
	p := serveProcess(t, data, "--udp", "127.0.0.1:0")
	udp := regexp.MustCompile(`msg=listening addr=\S+ udp=(\S+)`).FindStringSubmatch(p.messages())
	if udp == nil {
		t.Fatalf("no UDP address: %s", p.messages())
	}
	spec := drive.Default(udp[1])
	report := loadProcess(t, spec, "--udp", "--rate", "5000", "--count", "1000")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		stat, err := store.Verify(store.EventsDir(data))
		if err == nil && stat.Records == report.Sent {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sent, %+v, %v", report.Sent, stat, err)
		}
	}
	if code, _ := p.terminate(t); code != 0 || !strings.Contains(p.stdout.String(), "received 1000 events, stored 1000, left 0") {
		t.Errorf("exit code %d: %s", code, p.stdout.String())
	}
	compareLog(t, data, spec, report.Sent)
}
