package main

import (
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// floodConfig is a server that is in an emergency as soon as a datagram waits, so
// that a flood of them makes dead letters.
const floodConfig = `
log: {mode: os, segment: 1MiB}
pool: {slots_256b: 2048, slots_2kib: 64, slots_64kib: 2, slots_1mib: 1}
lanes: {realtime: 64, transactional: 64, batch: 64}
control: {max_queue_depth: 1}
dead: {retain_bytes: 1GiB}
udp: {addr: "127.0.0.1:0"}
dedup: {memory: 128KiB}
windows: {span: 0s}
`

var listeningUDP = regexp.MustCompile(`msg=listening addr=\S+ udp=(\S+)`)

// TestKillLeavesTheTextOfDeadLettersWhole: a server is killed over and over while
// it writes letters; after the next start the text has each letter of the log, in
// order, once.
func TestKillLeavesTheTextOfDeadLettersWhole(t *testing.T) {
	data, config := t.TempDir(), filepath.Join(t.TempDir(), "esc.yaml")
	if err := os.WriteFile(config, []byte(floodConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(store.DeadDir(data), engine.DeadText)
	id := uint64(5 << event.CounterBits)
	for range 12 {
		p := serveProcess(t, data, "--config", config)
		c, err := net.Dial("udp", listeningUDP.FindStringSubmatch(p.messages())[1])
		if err != nil {
			t.Fatal(err)
		}
		id = flood(t, c, id, text)
		p.cmd.Process.Kill()
		p.cmd.Wait()
		c.Close()
	}
	serveProcess(t, data, "--config", config).terminate(t)
	got, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := textOf(t, data); !slices.Equal(strings.SplitAfter(string(got), "\n"), strings.SplitAfter(want, "\n")) {
		t.Errorf("%d lines of text, %d letters", strings.Count(string(got), "\n"), strings.Count(want, "\n"))
	}
}

// flood sends until letters are written, and a little longer: what comes next is
// to find them half done.
func flood(t *testing.T, c net.Conn, id uint64, text string) uint64 {
	t.Helper()
	before, end := sizeOf(text), time.Now().Add(patience)
	for written := false; time.Now().Before(end); id++ {
		f := wire.Frame{Version: wire.V2, ID: id, Priority: event.Low, Topic: []byte("flood")}
		c.Write(f.Append(nil))
		if !written && sizeOf(text) > before {
			written, end = true, time.Now().Add(time.Duration(rand.IntN(20_000))*time.Microsecond)
		}
	}
	if sizeOf(text) == before {
		t.Fatal("no letters were written")
	}
	return id
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// textOf is what the dead letters of a data folder are as a text.
func textOf(t *testing.T, data string) string {
	t.Helper()
	r, err := store.NewReader(store.DeadDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b []byte
	for e := range r.All() {
		b = process.AppendLetter(b, &e.Record, e.Topic)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}
