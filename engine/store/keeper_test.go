package store

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// segmentsOf are the segments on d, in order.
func segmentsOf(d *simDisk) []string {
	names, _ := d.List()
	return slices.DeleteFunc(names, func(name string) bool { _, ok := segmentFirst(name); return !ok })
}

func TestRetention(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int64
		age   time.Duration
		least int
		most  int
	}{
		"all":     {0, 0, 20, 1000},
		"by size": {40 << 10, 0, 4, 6},
		"by age":  {0, 60 * time.Millisecond, 3, 15},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(Group, 2)
			r.cfg.RetainBytes, r.cfg.RetainAge = c.bytes, c.age
			if _, err := r.open(); err != nil {
				t.Fatal(err)
			}
			salts := map[uint32]bool{}
			for range 200 {
				r.now += 3 * time.Millisecond
				r.append(4)
				if err := r.commit(); err != nil {
					t.Fatal(err)
				}
				salts[r.log.segment.salt] = true
			}
			left := segmentsOf(r.disk)
			if len(left) < c.least || len(left) > c.most {
				t.Errorf("%d segments are left, want %d to %d", len(left), c.least, c.most)
			}
			if rolls := r.log.Counts().Rolls; len(salts) != int(rolls)+1 {
				t.Errorf("%d salts in %d rolls", len(salts), rolls)
			}
			if err := r.log.Close(); err != nil {
				t.Fatal(err)
			}
			r.note()
			if _, err := r.recovered(r.disk.crash(r.rng.IntN)); err != nil {
				t.Error(err)
			}
			indexes := 0
			for name := range r.disk.names {
				if strings.HasSuffix(name, indexSuffix) {
					indexes++
				}
			}
			if indexes >= len(left) {
				t.Errorf("%d indexes for %d segments", indexes, len(left))
			}
		})
	}
}

// TestRetentionHeld: segments that may go stay until they are released, and then
// those go that were, and no others. A log that begins anywhere is one like any.
func TestRetentionHeld(t *testing.T) {
	r := newRig(Group, 2)
	const first = 1000
	r.cfg.RetainBytes, r.cfg.Hold, r.cfg.First = 40<<10, true, first
	if _, err := r.open(); err != nil {
		t.Fatal(err)
	}
	fill := func() {
		for range 200 {
			r.now += 3 * time.Millisecond
			r.append(4)
			if err := r.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	oldest := func() uint64 {
		n, _ := segmentFirst(segmentsOf(r.disk)[0])
		return n
	}
	fill()
	may := r.log.Expiring()
	if had := oldest(); had != first || may <= first {
		t.Fatalf("it begins with %d, and would with %d; nothing was released", had, may)
	}
	r.log.Release(may)
	fill()
	if had := oldest(); had != may || r.log.Expiring() <= may {
		t.Errorf("it begins with %d, and would with %d; released was %d", had, r.log.Expiring(), may)
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	last := r.log.Written()
	if again, err := r.open(); err != nil || again.Last != last || oldest() < may {
		t.Errorf("opened again: %+v, %v; want the last to be %d", again, err, last)
	}
}

// TestRetentionInOrder lets many segments go at once and cuts the power after
// every call: what is left is never an older segment without the ones behind it.
func TestRetentionInOrder(t *testing.T) {
	r, _, names := newSegments(t)
	r.note()
	r.cfg.RetainBytes, r.safe = 3*r.cfg.SegmentBytes, r.appended
	states, err := 0, error(nil)
	r.disk.after = func(string) {
		states += everyChoice(1<<12, func(choose func(n int) int) {
			if _, bad := r.recovered(r.disk.crash(choose)); bad != nil && err == nil {
				err = bad
			}
		})
	}
	if _, err := r.open(); err != nil {
		t.Fatal(err)
	}
	if left := segmentsOf(r.disk); err != nil || len(left) > 4 || len(names) < 8 {
		t.Errorf("%d of %d segments are left, %d states: %v", len(left), len(names), states, err)
	}
}

// TestScrub damages each of a log's full segments in turn.
func TestScrub(t *testing.T) {
	r, files, names := newSegments(t)
	scrubbed := func(files map[string][]byte) *Damage {
		r.disk = diskOf(files)
		if _, err := r.open(); err != nil {
			t.Fatal(err)
		}
		r.log.scrub(&pace{rate: 1 << 40}, true)
		d := r.log.Damage()
		if err := r.log.Close(); err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := scrubbed(files); d != nil {
		t.Fatalf("found in a whole log: %v", d)
	}
	for i, name := range names[:len(names)-2] { // Open itself reads the last
		for _, at := range []int{10, headerSize + 50, headerSize + 2000} {
			damaged := map[string][]byte{}
			for n, b := range files {
				damaged[n] = slices.Clone(b)
			}
			damaged[name][at] ^= 4
			if d := scrubbed(damaged); d == nil || d.Segment != name {
				t.Errorf("segment %d, byte %d: found %v", i, at, d)
			}
		}
	}
}

// TestScrubPace: n bytes take as long as the rate says, and a stop ends it.
func TestScrubPace(t *testing.T) {
	stop := make(chan struct{})
	p := &pace{rate: 10 << 20, stop: stop}
	if !p.spend(1 << 19) {
		t.Error("stopped")
	}
	if p.owed != 50*time.Millisecond {
		t.Errorf("512 KiB at 10 MiB/s owe %v", p.owed)
	}
	close(stop)
	if p.spend(1 << 30) {
		t.Error("not stopped")
	}
}

func TestOneWriter(t *testing.T) {
	cfg := Default(t.TempDir())
	cfg.SegmentBytes = SegmentBytesMin
	l, _, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(cfg); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open: %v", err)
	}
	if _, err := Repair(cfg.Dir); !errors.Is(err, ErrLocked) {
		t.Errorf("repair beside a writer: %v", err)
	}
	if s, err := ReadStat(cfg.Dir); err != nil || !s.Live || s.Last != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	if _, ok := l.Append(newBenchEvent(128)); ok {
		t.Error("appended to a closed log")
	}
	if s, err := ReadStat(cfg.Dir); err != nil || s.Live || !s.Sealed || s.Last != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if l, _, err = Open(cfg); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	l.Close()
}

func TestNewerVersionIsRefused(t *testing.T) {
	r := golden(t)
	b := slices.Clone(r.disk.names[segmentName(1)].data)
	le.PutUint32(b[8:], 7)
	le.PutUint32(b[48:], checksumOf(b[:48]))
	r.disk = diskOf(map[string][]byte{segmentName(1): b})
	_, err := r.open()
	var newer *VersionError
	if !errors.As(err, &newer) || newer.Got != 7 || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("opening: %v", err)
	}
	if _, err := verify(r.disk); !errors.As(err, &newer) {
		t.Errorf("verifying: %v", err)
	}
	if _, err := repair(r.disk, 0); !errors.As(err, &newer) {
		t.Errorf("repairing: %v", err)
	}
}

func TestBadFolders(t *testing.T) {
	dir := t.TempDir()
	if _, err := Verify(dir); err != ErrNoLog {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Verify(dir + "/none"); !os.IsNotExist(errors.Unwrap(err)) {
		t.Errorf("a missing folder: %v", err)
	}
	path := dir + "/file"
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(path); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("a file: %v", err)
	}
	if _, _, err := Open(Default(path)); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("opening a file: %v", err)
	}
}
