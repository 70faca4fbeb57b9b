package main

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
	"eventstreamcore/workloads/drive"
)

// bury writes dead letters of three reasons into a data folder.
func bury(t *testing.T, data string) {
	t.Helper()
	cfg := store.Default(store.DeadDir(data))
	cfg.SegmentBytes, cfg.Mode = store.SegmentBytesMin, store.OS
	log, _, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for i, reason := range []wire.Reason{wire.ReasonQueueFull, wire.ReasonProcessing, wire.ReasonEmergency, wire.ReasonProcessing} {
		var slot struct {
			event.Header
			rest [64]byte
		}
		h := &slot.Header
		h.ID, h.Wall, h.Type = 9<<40|uint64(i), began.Add(time.Duration(i)*time.Hour).UnixNano(), event.TypeDeadLetter
		h.Priority, h.Reason = event.Medium, uint16(reason)
		h.Fill([]byte("pay\n"), []byte{'0' + byte(i)})
		h.Seal()
		if _, ok := log.Append(h); !ok {
			t.Fatal(log.Err())
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

// TestDLQReplay sends what failed to an engine, which stores it under its id.
func TestDLQReplay(t *testing.T) {
	data := t.TempDir()
	bury(t, data)
	cfg := engine.Default(store.EventsDir(data))
	cfg.Log.Mode, cfg.TCP.Address, cfg.Publishers = store.OS, "127.0.0.1:0", 0
	cfg.TCP.Tokens = []ingest.Token{{Name: "replay", Secret: "a token of replays", Cap: event.Critical}}
	cfg.Dedup.Bytes, cfg.Logger, cfg.Drain = 128<<10, slog.New(slog.DiscardHandler), 20*time.Second
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	if err := replayTo(t.Context(), e.Addr(), drive.Access{}, io.Discard, &letterFlags{data: data}); err == nil {
		t.Error("replayed without the token")
	}
	var messages strings.Builder
	if err := replayTo(t.Context(), e.Addr(), drive.Access{Token: "a token of replays"}, &messages, &letterFlags{data: data, reason: "processing_failed"}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	r, err := store.NewReader(store.EventsDir(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := ""
	for entry := range r.All() {
		if entry.ID>>40 != 9 || entry.Priority != event.Medium || string(entry.Topic) != "pay\n" {
			t.Errorf("stored %+v", entry)
		}
		got += string(entry.Payload)
	}
	if got != "13" || messages.String() != "2 dead letters sent\n" {
		t.Errorf("stored %q (%s), want the second and the fourth", got, messages.String())
	}
}
