package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// buried is a folder with a log of n dead letters, some of them alike, and the
// text that belongs beside it, line by line.
func buried(t *testing.T, n int) (dir string, last uint64, lines []string) {
	t.Helper()
	cfg := store.Default(t.TempDir())
	cfg.SegmentBytes, cfg.Mode = store.SegmentBytesMin, store.OS
	log, _, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var slot struct {
		event.Header
		rest [64]byte
	}
	h := &slot.Header
	for i := range n {
		h.Type, h.ID, h.Wall, h.Reason = event.TypeDeadLetter, 7<<event.CounterBits|uint64(i/3*2), 1e9*int64(1000+i/9), uint16(wire.ReasonQueueFull)
		h.Fill([]byte("a/topic"), nil)
		h.Seal()
		if _, ok := log.Append(h); !ok {
			t.Fatal("no room")
		}
		lines = append(lines, string(process.AppendLetter(nil, &h.Record, h.Topic())))
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg.Dir, log.Written(), lines
}

// caughtUp is what the text, and the one before it, hold after a start that
// found them so.
func caughtUp(t *testing.T, dir string, last uint64, before, text string, bound int64) string {
	t.Helper()
	path := filepath.Join(dir, DeadText)
	os.Remove(path + ".1")
	if before != "" {
		if err := os.WriteFile(path+".1", []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := openRolling(path, bound)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.catchUp(dir, last); err != nil {
		t.Fatal(err)
	}
	old, _ := os.ReadFile(path + ".1")
	now, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(old) + string(now)
}

// TestTheTextOfDeadLettersCatchesUp from wherever a process that died has left
// it: cut anywhere, begun anew, gone, or ahead of a log that lost its end.
func TestTheTextOfDeadLettersCatchesUp(t *testing.T) {
	const n, bound = 40, 2 << 20
	dir, last, lines := buried(t, n)
	whole := strings.Join(lines, "")
	ends := []int{0} // of whole lines
	for _, line := range lines {
		ends = append(ends, ends[len(ends)-1]+len(line))
	}
	cuts := slices.Clone(ends)
	for cut := ends[n-3]; cut < len(whole); cut++ {
		cuts = append(cuts, cut)
	}
	for _, cut := range cuts {
		if got := caughtUp(t, dir, last, "", whole[:cut], bound); got != whole {
			t.Fatalf("cut at %d of %d bytes: %d bytes afterwards", cut, len(whole), len(got))
		}
	}
	for i := range n + 1 {
		if got := caughtUp(t, dir, last, strings.Join(lines[:i], ""), "", bound); got != whole {
			t.Fatalf("begun anew after %d lines: %q", i, got)
		}
	}
	ahead := whole + "[5000] DROPPED: id=1 topic=t priority=4 reason=queue_full\n"
	if got := caughtUp(t, dir, last, "", ahead, bound); got != ahead {
		t.Errorf("a text ahead of its log became %q", got)
	}
}

// TestTheTextCatchesUpWithinItsBound: of more lines than it may hold, the newest.
func TestTheTextCatchesUpWithinItsBound(t *testing.T) {
	dir, last, lines := buried(t, 500)
	whole := strings.Join(lines, "")
	got := caughtUp(t, dir, last, "", "", 8<<10)
	if len(got) > 4<<10 || len(got) < 4<<10-100 || !strings.HasSuffix("\n"+whole, "\n"+got) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestTheTextStaysAsItIs where nothing is missing, or there is nothing at all.
func TestTheTextStaysAsItIs(t *testing.T) {
	r, err := openRolling(filepath.Join(t.TempDir(), DeadText), 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.catchUp(t.TempDir(), 0); err != nil || r.size != 0 {
		t.Errorf("%v, %d bytes", err, r.size)
	}
}
