package engine_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// messages is what an engine has said.
type messages struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.Write(p)
}

func (m *messages) count(text string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Count(m.b.String(), text)
}

// TestTheScrubIsHeard damages a segment written long ago: the engine goes on,
// says so once, and its figures do.
func TestTheScrubIsHeard(t *testing.T) {
	cfg := smallConfig(t)
	cfg.Log.Mode, cfg.Log.CheckBytes, cfg.Log.ScrubRate = store.Group, 0, 1<<30
	said := new(messages)
	cfg.Logger = slog.New(slog.NewTextHandler(said, nil))
	e, stop := running(t, cfg)
	p, err := e.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, "a second segment", func() { p.Publish("t", make([]byte, 4<<10), event.Critical) },
		func() bool { return e.Stats().Written > 600 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if e.Stats().Damaged || said.count("damaged") != 0 {
		t.Fatal("a whole log is said to be damaged")
	}
	first := filepath.Join(cfg.Log.Dir, "00000000000000000001.seg")
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b[500_000] ^= 1
	if err := os.WriteFile(first, b, 0o644); err != nil {
		t.Fatal(err)
	}
	e, _ = running(t, cfg)
	awaitState(t, "word of the damage", func() {}, func() bool { return e.Stats().Damaged && said.count("the log is damaged") > 0 })
	if report, err := store.Verify(cfg.Log.Dir); err != nil || report.Corrupt() == nil {
		t.Errorf("verify: %+v, %v", report, err)
	}
	if n := said.count("the log is damaged"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
