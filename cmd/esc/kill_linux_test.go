package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// killConfig is a server that starts soon: small slots, lanes and segments.
const killConfig = `
tcp: {addr: "127.0.0.1:0"}
log: {segment: 1MiB, interval: 1ms, check_bytes: 4MiB}
pool: {slots_256b: 2048, slots_2kib: 16, slots_64kib: 2, slots_1mib: 1}
lanes: {realtime: 1024, transactional: 1024, batch: 1024}
dedup: {memory: 128KiB}
windows: {span: 0s}
`

// victim is a data folder, the server that is killed on it over and over, and
// what clients were told.
type victim struct {
	command []string
	data    string
	level   wire.Level
	sent    uint64
	safe    map[uint64]bool // ids that were answered at the level asked
}

func newVictim(t *testing.T, name, mode string, l wire.Level) *victim {
	t.Helper()
	config := filepath.Join(t.TempDir(), "esc.yaml")
	if err := os.WriteFile(config, []byte(killConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &victim{data: t.TempDir(), level: l, safe: map[uint64]bool{}}
	v.command = []string{selfAs(t, name), "serve", "--config", config, "--data", v.data, "--mode", mode}
	return v
}

// killOnce starts the server, asks about one event after the other, and kills it
// some time after the first answer.
func (v *victim) killOnce(after time.Duration) error {
	c := exec.Command(v.command[0], v.command[1:]...)
	stderr, err := c.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	defer c.Wait()
	defer c.Process.Kill()
	overdue := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer overdue.Stop()
	said := ""
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said += lines.Text() + "\n"
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, stderr)
			return v.ask(m[1], func() { time.AfterFunc(after, func() { c.Process.Kill() }) })
		}
	}
	return fmt.Errorf("it did not start: %s", said)
}

// ask floods the server and notes its answers until it is dead; first is called
// at the first.
func (v *victim) ask(addr string, first func()) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		v.flood(c)
	}()
	in, b := bufio.NewReader(c), make([]byte, wire.AnswerSize)
	for heard := 0; ; heard++ {
		if _, err := io.ReadFull(in, b); err != nil {
			c.Close()
			<-flooded
			return nil // dead, as it should be
		}
		a, status := wire.DecodeAnswer(b)
		if status != wire.OK || a.Outcome != wire.Stored+wire.Outcome(v.level) {
			return fmt.Errorf("heard %+v (%v)", a, status)
		}
		v.safe[a.ID] = true
		if heard == 0 {
			first()
		}
	}
}

// flood sends events of two lanes, some at once, until the server is dead.
func (v *victim) flood(c net.Conn) {
	f := wire.Frame{Version: wire.V2, Flags: wire.WithLevel(v.level), Topic: []byte("kill"), Payload: make([]byte, 150)}
	for {
		var b []byte
		for range 1 + rand.IntN(40) {
			v.sent++
			f.ID, f.Priority = 5<<40|v.sent, event.Medium+event.Priority(v.sent%2)
			b = f.Append(b)
		}
		if _, err := c.Write(b); err != nil {
			return
		}
		time.Sleep(100 * time.Microsecond) // or what is read at the end is most of the work
	}
}

// lost reads the log and says how many of the events that were answered are not
// in it; an error is one that is there twice, or was never sent.
func (v *victim) lost() (int, error) {
	r, err := store.NewReader(store.EventsDir(v.data))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	seen := map[uint64]bool{}
	for r.Next() {
		e := r.Entry()
		if e.Type != event.TypeEvent {
			continue
		}
		if n := e.ID & (1<<40 - 1); e.ID>>40 != 5 || n > v.sent || seen[e.ID] {
			return 0, fmt.Errorf("event %#x is in the log twice, or was never sent", e.ID)
		}
		seen[e.ID] = true
	}
	missing := 0
	for id := range v.safe {
		if !seen[id] {
			missing++
		}
	}
	return missing, r.Err()
}

// TestKillLosesNothingAnswered: a real server under load, killed over and over at
// any moment; whatever a client was told is durable, is there afterwards.
func TestKillLosesNothingAnswered(t *testing.T) {
	const each = 16 // cycles on one folder
	folders := 32
	if testing.Short() {
		folders = 2
	}
	for i := range folders {
		mode := []string{"group", "interval"}[i%2]
		t.Run(fmt.Sprint(mode, i/2), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, "esc", mode, wire.LevelDurable)
			for cycle := range each {
				if err := v.killOnce(time.Duration(rand.IntN(8000)) * time.Microsecond); err != nil {
					t.Fatalf("cycle %d: %v", cycle, err)
				}
			}
			n, err := v.lost()
			if n > 0 || err != nil {
				t.Errorf("%d of %d events answered durable are lost, %v", n, len(v.safe), err)
			}
			if len(v.safe) < each {
				t.Errorf("only %d answers in %d cycles", len(v.safe), each)
			}
			t.Logf("killed %d times, %d sent, %d answered durable, %d lost", each, v.sent, len(v.safe), n)
		})
	}
}

// TestKillFindsAnAnswerTooEarly is the test of the test above: a server that
// answers once an event is in the log's memory.
func TestKillFindsAnAnswerTooEarly(t *testing.T) {
	v := newVictim(t, earlyName, "group", wire.LevelReplicated)
	for cycle := range 200 {
		if err := v.killOnce(time.Duration(rand.IntN(8000)) * time.Microsecond); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		n, err := v.lost()
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			t.Logf("found in cycle %d: %d of %d lost", cycle, n, len(v.safe))
			return
		}
	}
	t.Error("a server that answers before it writes was not found out")
}

// earlyName is what the test binary is called as to be that server.
const earlyName = "esc-early"

var flawed = map[string]func(){earlyName: serveEarly, hastyName: serveHasty}

// serveEarly is esc serve, but whatever is appended counts as replicated at once.
func serveEarly() {
	s, _, err := told(os.Args[3], []string{"ESC_DATA=" + os.Args[5]}, newServeCommand().Flags())
	if err != nil {
		panic(err)
	}
	cfg, err := s.config(os.Stderr)
	if err != nil {
		panic(err)
	}
	cfg.Replicated = new(process.Watermark)
	e, err := engine.New(cfg)
	if err != nil {
		panic(err)
	}
	go func() {
		for <-e.Running(); ; {
			cfg.Replicated.Advance(e.Recovery.Last + e.Stats().Stored)
		}
	}()
	cfg.Logger.Info("listening", "addr", e.Addr())
	e.Run(context.Background())
}
