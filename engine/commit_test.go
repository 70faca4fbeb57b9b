package engine

import (
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// newCommitter is a committer beside the storer, on a log of its own.
func newCommitter(t *testing.T, groupBytes int) *committer {
	t.Helper()
	cfg := store.Default(t.TempDir())
	cfg.Mode, cfg.SegmentBytes, cfg.GroupBytes = store.OS, 1<<20, groupBytes
	log, _, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return &committer{log: log, failed: make(chan error, 1), store: new(duty.Bell), own: new(duty.Bell), every: 1000}
}

// large is an event of some 1.3 KB.
func large() *event.Header {
	h := make([]event.Header, 40)
	h[0].Type = event.TypeEvent
	h[0].Fill([]byte("t"), make([]byte, 1200))
	h[0].Seal()
	return &h[0]
}

// TestCommitterBesideTheStorer: it waits until a group is worth a write, does not
// wait when the log is full before that, and is idle only when nothing is left.
func TestCommitterBesideTheStorer(t *testing.T) {
	c := newCommitter(t, 4<<10)
	c.last = 5000
	if c.Step(5001) != 0 {
		t.Error("with nothing gathered it is not idle")
	}
	if _, ok := c.Append(large()); !ok || c.Step(5002) != 1 || c.log.Written() != 0 {
		t.Fatal("a young group was written, or its thread may sleep on it")
	}
	for range 100 { // two batches of 4 KiB, and then no more
		if _, ok := c.Append(large()); !ok {
			break
		}
	}
	if !c.full {
		t.Fatal("the log was never full")
	}
	for now := range 10 {
		c.Step(cpu.Ticks(10_000 + 2000*now))
	}
	if c.waiting != 0 || c.full || c.log.Written() == 0 {
		t.Errorf("%d events wait, full %v, written %d", c.waiting, c.full, c.log.Written())
	}
	if c.Step(1<<40) != 0 {
		t.Error("with everything written it is not idle")
	}
}
