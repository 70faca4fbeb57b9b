package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// benchLog is a log of at most 256 MiB in dir.
func benchLog(tb testing.TB, dir string, mode Mode) *Log { return benchLogOf(tb, dir, mode, false) }

func benchLogOf(tb testing.TB, dir string, mode Mode, direct bool) *Log {
	cfg := Default(dir)
	cfg.Mode, cfg.Direct, cfg.RetainBytes = mode, direct, 256<<20
	l, _, err := Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l
}

// newBenchEvent is an event of size bytes, topic and body.
func newBenchEvent(size int) *event.Header {
	s := new(slot)
	s.h = event.Header{Record: event.Record{ID: 1, Wall: time.Now().UnixNano(), Type: event.TypeEvent}}
	s.h.Fill([]byte("bench"), make([]byte, size-5))
	s.h.Seal()
	return &s.h
}

// BenchmarkAppend is a buffered append of an event of 128 bytes, with its share
// of the group's checksum and of the write into the page cache: on a tmpfs, if
// TMPDIR is on one. Sealing it is the stage's before, and counted beside.
func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{16, 64, 256, 1024} {
		for _, sealing := range []bool{false, true} {
			b.Run(fmt.Sprintf("group=%d/sealing=%v", group, sealing), func(b *testing.B) {
				l := benchLog(b, b.TempDir(), OS)
				h := newBenchEvent(128)
				b.SetBytes(128)
				n := 0
				for b.Loop() {
					if sealing {
						h.Seal()
					}
					if _, ok := l.Append(h); !ok {
						b.Fatal("full")
					}
					if n++; n%group == 0 {
						l.Offer()
						if _, err := l.Commit(); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func calibrate(tb testing.TB) cpu.Clock {
	clock, err := cpu.Calibrate()
	if err != nil {
		tb.Skip(err)
	}
	return clock
}

// BenchmarkDurable is the closed loop; BenchmarkBareSync is what its groups
// cost without a log.
func BenchmarkDurable(b *testing.B) {
	clock := calibrate(b)
	for _, producers := range []int{1, 64, 1024, -64} {
		split := producers < 0
		if split {
			producers = -producers
		}
		b.Run(fmt.Sprintf("producers=%d/split=%v", producers, split), func(b *testing.B) {
			l := benchLog(b, b.TempDir(), Group)
			c := NewClosedLoop(l, clock, newBenchEvent(128), producers)
			c.Split = split
			b.ResetTimer()
			if err := c.Run(b.N); err != nil {
				b.Fatal(err)
			}
			s := c.Latency.Snapshot()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(s.Quantile(0.5)), "p50-ns")
			b.ReportMetric(float64(s.Quantile(0.99)), "p99-ns")
			b.ReportMetric(float64(l.Counts().Syncs)/b.Elapsed().Seconds(), "syncs/s")
		})
	}
}

// bareFile is a zero-filled file, as a segment is.
func bareFile(tb testing.TB, dir string) file {
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < 64<<20; at += 1 << 20 {
		if _, err := f.WriteAt(zeros, at); err != nil {
			tb.Fatal(err)
		}
	}
	d, err := openFolder(dir, false)
	if err != nil {
		tb.Skip(err)
	}
	bare, err := d.Open("bare")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { bare.Close() })
	if err := bare.Sync(); err != nil {
		tb.Fatal(err)
	}
	return bare
}

// groupBytes is a group of n events of 128 bytes.
func groupBytes(n int) int { return n*(event.RecordSize+128) + trailerSize }

func BenchmarkBareSync(b *testing.B) {
	for _, records := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			f := bareFile(b, b.TempDir())
			group := make([]byte, groupBytes(records))
			at := int64(0)
			for b.Loop() {
				if at+int64(len(group)) > 64<<20 {
					at = 0
				}
				if _, err := f.WriteAt(group, at); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				at += int64(len(group))
			}
		})
	}
}

// TestClosedLoop: every event becomes durable, each once.
func TestClosedLoop(t *testing.T) {
	clock := calibrate(t)
	for _, producers := range []int{1, 7, 64} {
		cfg := Default(t.TempDir())
		cfg.SegmentBytes = SegmentBytesMin
		l, _, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		c := NewClosedLoop(l, clock, newBenchEvent(128), producers)
		for i, events := range []int{1, 500, 3} {
			c.Split = i == 1
			if err := c.Run(events); err != nil {
				t.Fatal(err)
			}
		}
		if s := c.Latency.Snapshot(); s.Count != 504 || l.Durable() != 504 {
			t.Errorf("%d producers: %d latencies, durable %d, want 504", producers, s.Count, l.Durable())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestProofDurable holds a group's time in the closed loop, through the page
// cache and past it, against a bare write and sync of as many bytes, in turns
// within the same seconds.
func TestProofDurable(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("a timed check: make proofs runs it")
	}
	const most, rounds, groups = 1.3, 9, 300
	clock := calibrate(t)
	for _, producers := range []int{1, 64, 1024} {
		f := bareFile(t, t.TempDir())
		group := make([]byte, groupBytes(producers))
		var logs [2]*Log
		var loops [2]*ClosedLoop
		for i := range logs {
			logs[i] = benchLogOf(t, t.TempDir(), Group, i == 1)
			loops[i] = NewClosedLoop(logs[i], clock, newBenchEvent(128), producers)
		}
		var ratios [2][]float64
		for range rounds {
			bare := timed(t, func() error { return writeBare(f, group, groups) }) / groups
			for i, l := range logs {
				before := l.Counts().Groups
				took := timed(t, func() error { return loops[i].Run(groups * producers) })
				ratios[i] = append(ratios[i], float64(took)/float64(l.Counts().Groups-before)/float64(bare))
			}
		}
		for i, r := range ratios {
			slices.Sort(r)
			s := loops[i].Latency.Snapshot()
			t.Logf("%d producers, direct %v: a group takes %.2f times the bare loop's (%.2f to %.2f in %d rounds); p50 %v, p99 %v", producers,
				logs[i].Direct(), r[rounds/2], r[0], r[rounds-1], rounds, time.Duration(s.Quantile(0.5)), time.Duration(s.Quantile(0.99)))
		}
		if ratios[0][rounds/4] > most {
			t.Errorf("%d producers: over %v times the bare loop's time in three rounds of four", producers, most)
		}
	}
}

func timed(t *testing.T, run func() error) time.Duration {
	began := time.Now()
	if err := run(); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func writeBare(f file, group []byte, n int) error {
	for i := range n {
		at := int64(i) * int64(len(group)) % (63 << 20)
		if _, err := f.WriteAt(group, at); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}
