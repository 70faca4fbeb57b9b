package cluster

import (
	"path/filepath"
	"testing"

	"eventstreamcore/engine/event"
)

// TestServerThatClosedIsStartedAgain has JetStream close, as it does when its
// disk is full, and replication go on once another server has taken over.
func TestServerThatClosedIsStartedAgain(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, filepath.Join(dir, "events"))
	n := alone(t, dir, w.source(filepath.Join(dir, "events")))
	put := func(id uint64) {
		w.put(1<<40|id, event.Medium, "t", []byte("payload"))
		w.commit()
		eventually(t, "it is replicated", func() bool { return n.Replicated() == w.log.Durable() })
	}
	<-n.Joined()
	put(1)
	closed := n.server.now.Load()
	if err := closed.ShutdownJetStream(); err != nil {
		t.Fatal(err)
	}
	put(2)
	if n.server.now.Load() == closed {
		t.Error("the server that closed is still there")
	}
	holds(t, n, 2)
}

// TestRoomIsTried: what is not there to be written to has no room.
func TestRoomIsTried(t *testing.T) {
	dir := t.TempDir()
	if err := tryRoom(dir, 1<<20); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if tryRoom(filepath.Join(dir, "missing"), 1<<20) == nil {
		t.Error("room in a folder that is not there")
	}
}
