package workloads

import (
	"os"
	"slices"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

func newLog(t *testing.T, direct bool) *store.Log {
	t.Helper()
	cfg := store.Default(t.TempDir())
	cfg.Direct, cfg.RetainBytes = direct, 256<<20
	l, _, err := store.Open(cfg)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// newEvents are those that a workload appends.
func newEvents(t *testing.T, b *Bench) batch {
	t.Helper()
	p, err := b.newStock()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { p.close() })
	return newBatch(p, appendPayload)
}

// TestClosedLoop: every event becomes durable, each once.
func TestClosedLoop(t *testing.T) {
	b := small(t)
	events := newEvents(t, b)
	for _, producers := range []int{1, 7, 64, 100} {
		l := newLog(t, false)
		c := newClosedLoop(l, b.Clock, events, producers)
		for i, n := range []int{1, 500, 3} {
			c.split = i == 1
			if err := c.run(n); err != nil {
				t.Fatal(err)
			}
		}
		if s := c.latency.Snapshot(); s.Count != 504 || l.Durable() != 504 {
			t.Errorf("%d producers: %d latencies, durable %d, want 504", producers, s.Count, l.Durable())
		}
	}
}

// TestProofDurable holds a group's time in the closed loop, through the page
// cache and past it, against a bare write and sync of as many bytes: mean against
// mean, in turns within the same seconds.
func TestProofDurable(t *testing.T) {
	if os.Getenv("ESC_PROOFS") == "" {
		t.Skip("a timed check: make proofs runs it")
	}
	const most, rounds, groups = 1.3, 11, 200
	b := small(t)
	clock, events := b.Clock, newEvents(t, b)
	for _, producers := range []int{1, 64, 1024} {
		bare, err := newBareLoop(t.TempDir(), producers*(event.RecordSize+len(sampleTopic)+appendPayload))
		if err != nil {
			t.Fatal(err)
		}
		logs := []*store.Log{newLog(t, false), newLog(t, true)}
		loops := []*closedLoop{newClosedLoop(logs[0], clock, events, producers), newClosedLoop(logs[1], clock, events, producers)}
		var ratios [2][]float64
		for range rounds {
			floor, err := bare.run(clock, int64(50*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range loops {
				before, began := logs[i].Counts().Groups, cpu.Now()
				if err := c.run(groups * producers); err != nil {
					t.Fatal(err)
				}
				took := float64(clock.Ns(cpu.End() - began))
				ratios[i] = append(ratios[i], took/float64(logs[i].Counts().Groups-before)/floor.Ns)
			}
		}
		for i, r := range ratios {
			slices.Sort(r)
			s := loops[i].latency.Snapshot()
			t.Logf("%d producers, direct %v: a group takes %.2f times the bare loop's (%.2f to %.2f in %d rounds); p50 %v, p99 %v", producers,
				logs[i].Direct(), r[rounds/2], r[0], r[rounds-1], rounds, time.Duration(s.Quantile(0.5)), time.Duration(s.Quantile(0.99)))
		}
		if ratios[0][rounds/4] > most {
			t.Errorf("%d producers: over %v times the bare loop's time in three rounds of four", producers, most)
		}
		if err := bare.close(); err != nil {
			t.Error(err)
		}
	}
}
