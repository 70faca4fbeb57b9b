package engine_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// await polls until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestDatagramsAreTakenBesideTCP: stored, and what is wrong with them is counted
// apart: a gap in the ids, one cut short, and one that is no frame.
func TestDatagramsAreTakenBesideTCP(t *testing.T) {
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			e, stop := listening(t, func(c *engine.Config) { c.Plan, c.UDP.Address = plan, "127.0.0.1:0" })
			c, err := net.Dial("udp", e.DatagramAddr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for id := range uint64(20) {
				f := question(id+1, event.High, wire.LevelStored) // nobody answers a datagram
				whole := f.Append(nil)
				switch id {
				case 7: // never sent: a gap
				case 12:
					c.Write(whole[:len(whole)-1])
				case 13:
					c.Write([]byte{0, 0, 0, 1, 0x77})
				default:
					c.Write(whole)
				}
			}
			a := newAsker(t, e)
			a.want(question(100, event.High, wire.LevelDurable), wire.Durable, wire.ReasonNone, store.Group)
			await(t, "17 datagrams stored", func() bool { return e.Stats().Stored == 18 })
			d := e.Datagrams()
			if d.Received != 19 || d.Truncated != 1 || d.Malformed != 1 || d.Missing != 3 || d.Dropped != 0 {
				t.Errorf("%+v", d)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAPauseGivesUpOnDatagrams of transactions, as letters, and what is urgent
// behind them is stored meanwhile.
func TestAPauseGivesUpOnDatagrams(t *testing.T) {
	e, stop := listening(t, func(c *engine.Config) { c.UDP.Address = "127.0.0.1:0" })
	c, err := net.Dial("udp", e.DatagramAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id := uint64(0)
	send := func(p event.Priority) {
		id++
		f := question(id, p, wire.LevelStored)
		c.Write(f.Append(nil))
	}
	paused := func() uint64 { return e.Stats().Dropped[wire.ReasonPaused] }
	e.Plane.Override(control.Degraded, time.Now().Add(time.Hour))
	await(t, "the pause", func() bool { send(event.Medium); return paused() > 0 })
	await(t, "what came before it", func() bool { return e.Stats().Stored+paused() == id })
	before, stored := paused(), e.Stats().Stored
	for range 10 {
		send(event.Medium)
	}
	send(event.Critical)
	await(t, "the urgent one stored behind ten", func() bool { return e.Stats().Stored == stored+1 && paused() == before+10 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := e.Stats(); s.Captured != before+10 || s.InFlight() != 0 {
		t.Errorf("%d letters captured of %d, %d in flight", s.Captured, before+10, s.InFlight())
	}
}

// TestAFileIsFollowed line by line while it grows, and its last line is taken
// when the engine stops.
func TestAFileIsFollowed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(name, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := smallConfig(t)
	cfg.Files = []ingest.Input{{Path: name, Topic: "lines/in", Priority: event.Medium, Follow: true}}
	e, stop := running(t, cfg)
	await(t, "two lines", func() bool { return e.Stats().Stored == 2 })
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("three\n")
	f.Close()
	await(t, "a third", func() bool { return e.Stats().Stored == 3 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := e.FileInputs(); len(got) != 1 || got[0].Bytes != 14 || got[0].Err != nil {
		t.Errorf("%+v", got)
	}
	var lines []string
	readLog(t, cfg.Log.Dir, func(r *store.Entry) { lines = append(lines, string(r.Topic)+" "+string(r.Payload)) })
	if !slices.Equal(lines, []string{"lines/in one", "lines/in two", "lines/in three"}) {
		t.Errorf("the log holds %q", lines)
	}
}

// TestInputsRefused: with the reason and what to do.
func TestInputsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*engine.Config)
		want  string
	}{
		"UDP alone":        {func(c *engine.Config) { c.UDP.Address = "127.0.0.1:0" }, "no TCP port beside it"},
		"UDP off loopback": {func(c *engine.Config) { c.TCP.Address, c.UDP.Address = "127.0.0.1:0", "0.0.0.0:0" }, "--insecure"},
		"UDP buffer":       {func(c *engine.Config) { c.UDP.Buffer = 1 }, "4 KiB to 1 GiB"},
		"file missing":     {func(c *engine.Config) { c.Files = []ingest.Input{{Path: "/none/such"}} }, "/none/such"},
		"too many files":   {func(c *engine.Config) { c.Files = make([]ingest.Input, 9) }, "at most 8"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := smallConfig(t)
			c.spoil(&cfg)
			if e, err := engine.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
				if e != nil {
					e.Close()
				}
			}
		})
	}
}
