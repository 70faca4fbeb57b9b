package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// TestAFullDiskIsAnEmergency fills a real file system under a running engine,
// makes room again, and wants EMERGENCY meanwhile and every event in the log
// at the end.
func TestAFullDiskIsAnEmergency(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no tmpfs can be mounted: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	cfg := smallConfig(t)
	cfg.Log.Dir = filepath.Join(dir, "events")
	e, stop := running(t, cfg)
	p, err := e.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := fill(ballast); err != nil {
		t.Fatal(err)
	}
	published, payload := uint64(0), make([]byte, 4<<10)
	publish := func() {
		if p.Publish("t", payload, event.Critical) == nil { // the one priority that no state drops
			published++
		}
	}
	awaitState(t, "EMERGENCY on a full disk", publish, func() bool { return e.Plane.Status().Decision.State == control.Emergency })
	before := e.Stats().Written
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	awaitState(t, "writing again once there is room", publish, func() bool { return e.Stats().Written > before+100 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	report, err := store.Verify(cfg.Log.Dir)
	if err != nil || report.Records != published {
		t.Errorf("%d events published, %d in the log, %v", published, report.Records, err)
	}
}

func awaitState(t *testing.T, what string, meanwhile func(), holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(100 * time.Microsecond) {
		if meanwhile(); time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// fill writes until there is no room.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return nil
}
