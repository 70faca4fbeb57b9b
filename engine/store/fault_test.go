package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run drives the rig through the given number of steps, closing and opening on
// the way, until something fails; once a call has failed that the log can do
// without, through a few more.
func (r *rig) run(steps int, came *bool) error {
	const after = 4
	for i := 0; i < steps; i++ {
		if *came {
			steps = min(steps, i+after)
		}
		if r.log == nil {
			if _, err := r.open(); err != nil {
				return err
			}
		}
		r.now += 3 * time.Millisecond
		if r.rng.IntN(12) == 0 {
			err := r.log.Close()
			r.note()
			r.log = nil
			if err != nil {
				return err
			}
			continue
		}
		r.append(1 + r.rng.IntN(6))
		if err := r.commit(); err != nil {
			return err
		}
	}
	return nil
}

// failNth makes the nth call of the kind fail with EIO, or of any kind if it
// is "". It says whether that call came.
func (d *simDisk) failNth(kind string, n int) (came *bool) {
	came = new(bool)
	d.before = func(call string) error {
		if kind != "" && call != kind {
			return nil
		}
		if n--; n == -1 {
			*came = true
			return syscall.EIO
		}
		return nil
	}
	return came
}

// failEvery runs a log again and again, each time with another call failing,
// and holds what is left against what was promised: by a restart on the same
// kernel, whose cache may lie, and then by a power cut.
func failEvery(mode Mode, direct bool, kind string, f flaws) (runs int, err error) {
	for n := 0; ; n++ {
		r := newRig(mode, 3)
		r.flaws, r.cfg.Direct = f, direct
		came := r.disk.failNth(kind, n)
		failed := r.run(60, came)
		if !*came {
			return runs, failed
		}
		runs++
		if err := r.afterFault(failed); err != nil {
			return runs, fmt.Errorf("%s %d failed, the log said %v: %w", kind, n, failed, err)
		}
	}
}

// afterFault checks a log of which one call has failed.
func (r *rig) afterFault(failed error) error {
	if r.log != nil && r.log.Err() != nil {
		safe := r.log.Durable()
		r.append(1)
		r.log.Offer()
		if n, err := r.log.Commit(); n != 0 || err == nil || r.log.Durable() != safe {
			return fmt.Errorf("success after a failure: %d records, %v", n, err)
		}
		if err := r.log.Close(); err == nil || !strings.Contains(err.Error(), "durable") {
			return fmt.Errorf("closing says %v", err)
		}
	}
	r.disk.owner, r.log, r.disk.before = nil, nil, nil // the process is gone
	appended := r.appended
	for range 3 {
		if _, err := r.recovered(r.disk.crash(r.rng.IntN)); err != nil {
			return fmt.Errorf("after a power cut: %w", err)
		}
	}
	safe := r.safe
	rec, err := r.open()
	if err != nil {
		return err
	}
	if rec.Last < safe || rec.Last > appended {
		return fmt.Errorf("recovered up to %d; %d durable, %d appended", rec.Last, safe, appended)
	}
	for range 3 {
		if _, err := r.recovered(r.disk.crash(r.rng.IntN)); err != nil {
			return fmt.Errorf("after a restart and a power cut: %w", err)
		}
	}
	return nil
}

func TestEveryFault(t *testing.T) {
	t.Parallel()
	for mode := range modes {
		for _, kind := range []string{"sync", "write", ""} {
			runs, err := failEvery(mode, false, kind, flaws{})
			if err != nil {
				t.Errorf("mode %v: %v", mode, err)
			}
			t.Logf("mode %v: %d runs with a failing %s", mode, runs, kind)
		}
	}
}

func TestEveryFaultDirect(t *testing.T) {
	runs, err := failEvery(Group, true, "", flaws{})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d runs with a failing call", runs)
}

// TestFullDisk fills the disk and makes room again, fifty times. What was
// appended waits and is written; nothing durable is lost.
func TestFullDisk(t *testing.T) {
	r := newRig(Group, 4)
	r.cfg.RetainBytes = 0
	if _, err := r.open(); err != nil {
		t.Fatal(err)
	}
	for cycle := range 50 {
		r.disk.space = int64(r.rng.IntN(20_000))
		for range 100 {
			r.append(5)
			if err := r.commit(); err != nil {
				t.Fatalf("cycle %d: %v", cycle, err)
			}
			if r.log.Full() {
				break
			}
			r.now += time.Millisecond
		}
		if !r.log.Full() {
			t.Fatalf("cycle %d: the log does not say that the disk is full", cycle)
		}
		if _, err := r.recovered(r.disk.crash(r.rng.IntN)); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		r.append(200) // as much as memory takes
		r.disk.space = 1 << 20
		r.now += time.Second / 2
		for range 3 {
			if err := r.commit(); err != nil {
				t.Fatalf("cycle %d: %v", cycle, err)
			}
		}
		if r.log.Full() || r.log.Durable() != r.appended {
			t.Fatalf("cycle %d: room again, but durable is %d of %d", cycle, r.log.Durable(), r.appended)
		}
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	r.note()
	if rec, err := r.recovered(r.disk.crash(r.rng.IntN)); err != nil || !rec.Sealed {
		t.Fatalf("%+v, %v", rec, err)
	}
}

// TestFlawsAreFound is the test of the tests: each way in which the log could
// be wrong makes the check that is there for it fail.
func TestFlawsAreFound(t *testing.T) {
	flips := func(f flaws) error {
		p, err := newSpecimen(Group, true, f)
		if err != nil {
			return err
		}
		_, err = p.everyFlip(17)
		return err
	}
	crashes := func(f flaws) error {
		r := newRig(Group, 1)
		r.flaws, r.limit = f, bodyMax
		_, err := everyCrash(r, 200, 0, 3)
		return err
	}
	cuts := func(f flaws) error {
		r := newRig(Group, 11)
		r.flaws = f
		return powerCuts(r, 500)
	}
	faults := func(f flaws) error {
		_, err := failEvery(Group, false, "sync", f)
		return err
	}
	for _, c := range []struct {
		name  string
		flaws flaws
		check func(flaws) error
	}{
		{"no checksum, flips", flaws{trust: true}, flips},
		{"no checksum, every crash state", flaws{trust: true}, crashes},
		{"truncation at the first bad byte, flips", flaws{cut: true}, flips},
		{"no sync, every crash state", flaws{unsynced: true}, crashes},
		{"no sync, power cuts", flaws{unsynced: true}, cuts},
		{"sync tried again, faults", flaws{retry: true}, faults},
	} {
		if err := c.check(c.flaws); err == nil {
			t.Errorf("%s: not found", c.name)
		} else if errors.Is(err, syscall.EIO) {
			t.Errorf("%s: found only its own fault: %v", c.name, err)
		} else {
			t.Logf("%s: %v", c.name, err)
		}
	}
}
