package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

// bury writes four dead letters of three reasons into a data folder.
func bury(t *testing.T, data string) { buryAll(t, data, 4) }

// buryAll writes so many, an hour after each other.
func buryAll(t *testing.T, data string, n int) {
	t.Helper()
	cfg := store.Default(store.DeadDir(data))
	cfg.SegmentBytes, cfg.Mode = store.SegmentBytesMin, store.OS
	log, _, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	reasons := []wire.Reason{wire.ReasonQueueFull, wire.ReasonProcessing, wire.ReasonEmergency, wire.ReasonProcessing}
	for i := range n {
		var slot struct {
			event.Header
			rest [64]byte
		}
		h := &slot.Header
		h.ID, h.Wall, h.Type = 9<<40|uint64(i), began.Add(time.Duration(i)*time.Hour).UnixNano(), event.TypeDeadLetter
		h.Priority, h.Reason = event.Medium, uint16(reasons[i%4])
		h.Fill([]byte("pay\n"), []byte{'0' + byte(i)})
		h.Seal()
		for _, ok := log.Append(h); !ok; _, ok = log.Append(h) {
			log.Offer()
			if _, err := log.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDLQList(t *testing.T) {
	data := t.TempDir()
	bury(t, data)
	for name, c := range map[string]struct {
		f    letterFlags
		want string // the reasons, in order
	}{
		"all":    {letterFlags{}, "queue_full processing_failed emergency_drop processing_failed"},
		"reason": {letterFlags{reason: "processing_failed"}, "processing_failed processing_failed"},
		"since":  {letterFlags{since: "2026-01-02T04:30:00Z"}, "emergency_drop processing_failed"},
		"topic":  {letterFlags{topic: "other"}, ""},
	} {
		c.f.data = data
		var out, messages strings.Builder
		if err := listLetters(&out, &messages, &c.f); err != nil {
			t.Fatal(name, err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			m := regexp.MustCompile(`^2026-01-02T0\d:00:00\.000Z  (\w+) +MEDIUM +\d+  1  "pay\\n"\n$`).FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("%s: line %q", name, line)
			}
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != c.want || !strings.Contains(messages.String(), "dead letters") {
			t.Errorf("%s: %v (%s), want %s", name, got, messages.String(), c.want)
		}
	}
	for _, bad := range []letterFlags{{}, {data: data, reason: "nothing"}, {data: data, since: "yesterday"}} {
		if err := listLetters(&strings.Builder{}, &strings.Builder{}, &bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// replayer is an engine that takes letters again.
func replayer(t *testing.T, data string, change func(*engine.Config)) (addr string, stop func()) {
	t.Helper()
	cfg := engine.Default(store.EventsDir(data))
	cfg.Log.Mode, cfg.TCP.Address, cfg.Publishers = store.OS, "127.0.0.1:0", 0
	cfg.TCP.Tokens = []ingest.Token{{Name: "replay", Secret: replayToken, Cap: event.Critical}}
	cfg.Dedup.Bytes, cfg.Logger, cfg.Drain = 128<<10, slog.New(slog.DiscardHandler), patience
	if change != nil {
		change(&cfg)
	}
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, e.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return e.Addr(), stop
}

const replayToken = "a token of replays"

// replayed runs a replay and is what it says, and its exit code.
func replayed(t *testing.T, addr string, f letterFlags, all bool) (said string, code int) {
	t.Helper()
	var messages strings.Builder
	r := replay{addr: addr, access: drive.Access{Token: replayToken}, letters: &f, all: all, messages: &messages}
	err := r.run(t.Context())
	if err != nil {
		messages.WriteString(err.Error())
	}
	return messages.String(), exitCode(err)
}

// storedPayloads are the payloads in the log of events, in order.
func storedPayloads(t *testing.T, data string) (got string) {
	t.Helper()
	r, err := store.NewReader(store.EventsDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for e := range r.All() {
		if e.ID>>event.CounterBits != 9 || e.Priority != event.Medium || string(e.Topic) != "pay\n" {
			t.Errorf("stored %+v", e)
		}
		got += string(e.Payload)
	}
	return got
}

// TestDLQReplay sends what failed to an engine, which stores it under its id. What
// is marked is not sent again, but if that is asked for; then its id is known.
func TestDLQReplay(t *testing.T) {
	data := t.TempDir()
	bury(t, data)
	addr, stop := replayer(t, data, nil)
	stranger := replay{addr: addr, letters: &letterFlags{data: data}, messages: io.Discard}
	if err := stranger.run(t.Context()); err == nil {
		t.Error("replayed without the token")
	}
	for _, step := range []struct {
		f    letterFlags
		all  bool
		want string
	}{
		{letterFlags{reason: "processing_failed"}, false, "2 dead letters replayed: stored\n"},
		{letterFlags{reason: "processing_failed"}, false, "0 dead letters replayed"},
		{letterFlags{}, false, "2 dead letters replayed: stored\n"},
		{letterFlags{}, true, "4 dead letters replayed: stored\n"},
	} {
		step.f.data = data
		if said, code := replayed(t, addr, step.f, step.all); !strings.HasPrefix(said, step.want) || code != 0 {
			t.Fatalf("%+v: %q, code %d; want %q", step, said, code, step.want)
		}
	}
	stop()
	if got := storedPayloads(t, data); got != "1302" {
		t.Errorf("stored %q, want those that failed, then the others, each once", got)
	}
	var list, messages strings.Builder
	if err := listLetters(&list, &messages, &letterFlags{data: data}); err != nil || strings.Count(list.String(), "  replayed\n") != 4 || messages.String() != "4 dead letters, 4 of them replayed\n" {
		t.Errorf("listed %q, %q, %v", list.String(), messages.String(), err)
	}
}

// TestDLQReplayThatFailsAgain makes new letters, which stand for the old ones: no
// replay sends its own, and the next one sends the new.
func TestDLQReplayThatFailsAgain(t *testing.T) {
	data := t.TempDir()
	bury(t, data)
	addr, stop := replayer(t, data, func(cfg *engine.Config) {
		cfg.Log.Mode = store.Group
		cfg.Handlers = []process.Handler{{Pattern: "#", Handle: func(*process.Event) error { return errors.New("no") }}}
	})
	for range 2 {
		said, code := replayed(t, addr, letterFlags{data: data}, false)
		if !strings.Contains(said, "4 given up on again: they are new letters") || code != exitMissed {
			t.Errorf("%q, code %d", said, code)
		}
	}
	stop()
	addr, stop = replayer(t, data, func(cfg *engine.Config) { cfg.Log.Mode = store.Group })
	if said, code := replayed(t, addr, letterFlags{data: data}, false); said != "4 dead letters replayed: durable\n" || code != 0 {
		t.Errorf("%q, code %d", said, code)
	}
	stop()
	if got := storedPayloads(t, data); got != "0123" {
		t.Errorf("stored %q", got)
	}
}

// TestDLQReplayThatIsCutOff goes on where it was: what was answered is marked,
// whatever came of the rest.
func TestDLQReplayThatIsCutOff(t *testing.T) {
	data := t.TempDir()
	bury(t, data)
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	go func() { // a server that answers the hello and two letters, and dies
		c, err := port.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		c.Write(wire.AppendWelcome(nil, 1))
		for i := range uint64(2) {
			c.Write((&wire.Answer{ID: 9<<event.CounterBits | i, Outcome: wire.Durable}).Append(nil))
		}
		io.CopyN(io.Discard, c, 150) // of the letters
	}()
	if said, code := replayed(t, port.Addr().String(), letterFlags{data: data}, false); code != exitUnmeasured || !strings.Contains(said, "goes on from here") {
		t.Fatalf("%q, code %d", said, code)
	}
	addr, stop := replayer(t, data, nil)
	if said, code := replayed(t, addr, letterFlags{data: data}, false); said != "2 dead letters replayed: stored\n" || code != 0 {
		t.Errorf("%q, code %d", said, code)
	}
	stop()
	if got := storedPayloads(t, data); got != "23" {
		t.Errorf("stored %q, want those that were not answered", got)
	}
}

// TestOneReplayAtATime: a second one would send the letters again.
func TestOneReplayAtATime(t *testing.T) {
	data := t.TempDir()
	bury(t, data)
	first, err := claimMarks(data)
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := replayer(t, data, nil)
	defer stop()
	if said, code := replayed(t, addr, letterFlags{data: data}, false); code != exitUsage || !strings.Contains(said, "replayed already") {
		t.Errorf("beside another: %q, code %d", said, code)
	}
	first.Close()
	if said, code := replayed(t, addr, letterFlags{data: data}, false); code != 0 {
		t.Errorf("after it: %q, code %d", said, code)
	}
}

// TestKilledReplaysStoreEachLetterOnce: a replay is killed over and over, and
// goes on until all is done.
func TestKilledReplaysStoreEachLetterOnce(t *testing.T) {
	const n = 20_000
	data := t.TempDir()
	buryAll(t, data, n)
	p := serveProcess(t, data, "--mode", "os", "--admin", "")
	kills := 0
	for deadline := time.Now().Add(4 * patience); ; kills++ {
		c := exec.Command(self(t), "dlq", "replay", "--data", data, "--addr", p.addr)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(20*(kills+1))*time.Millisecond, func() { c.Process.Kill() })
		if c.Wait() == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it never got through")
		}
	}
	p.terminate(t)
	r, err := store.NewReader(store.EventsDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	seen := map[uint64]int{}
	for e := range r.All() {
		seen[e.ID]++
	}
	for id := range uint64(n) {
		if seen[9<<event.CounterBits|id] != 1 {
			t.Fatalf("letter %d is stored %d times", id, seen[9<<event.CounterBits|id])
		}
	}
	t.Logf("killed %d times", kills)
}
