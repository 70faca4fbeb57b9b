package workloads

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/workloads/drive"
)

// What package drive's test of the same name shows of the sender of frames, this
// shows of the generator in the process, and of the way from its notes to the
// percentiles: a stall of the engine is counted against every event that it
// delayed.

// stalling is an engine that takes no time, but for one stall, on a clock that
// moves when it is read.
type stalling struct {
	now     cpu.Ticks
	stallAt cpu.Ticks
	stall   cpu.Ticks
	trace   []metrics.Sample
	took    []cpu.Ticks // when each event was handed over
}

const lookNs = 20 // what a read of the clock takes

func (s *stalling) read() cpu.Ticks {
	s.now += lookNs
	return s.now
}

func (s *stalling) PublishBatch(events []ingest.Event) (int, error) {
	at := s.now
	if s.stall > 0 && s.now >= s.stallAt {
		s.now += s.stall
		s.stall = 0
	}
	for _, e := range events {
		s.trace = append(s.trace, metrics.Sample{Intended: e.Intended, Received: s.now, Processed: s.now, Stored: s.now})
		s.took = append(s.took, at)
	}
	return len(events), nil
}

func (s *stalling) Flush() bool { return true }

// wholeOf is the whole latency of n events at the rate, with one stall. The leak,
// if planted, takes the time at which the generator woke for the one intended.
func wholeOf(t *testing.T, rate float64, n int, stall time.Duration, leak bool) *hdrhistogram.Histogram {
	t.Helper()
	clock := cpu.NewClock(1e9)
	engine := &stalling{now: cpu.Now(), stall: cpu.Ticks(stall)}
	engine.stallAt = engine.now + planLead + planEach*cpu.Ticks(n) + 10_000_000
	g := newGenerator(clock, 0, engine, standardEvent(event.High, 8), n)
	g.now = engine.read
	if run := g.pace(drive.Schedule{Rate: rate}, n); run.judge() != "" {
		t.Fatal(run.judge())
	}
	if leak {
		for i := range g.notes {
			g.notes[i].due = engine.took[i]
		}
	}
	c := newCourse(publishedParts, n)
	if wrong := c.publish(clock, g.notes, engine.trace, 0); wrong != "" {
		t.Fatal(wrong)
	}
	return c.spans(nil, nil)[0].Histogram
}

func TestAStallOfTheEngineIsCountedAgainstEveryEventItDelayed(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		n     int
		stall time.Duration
	}{{100_000, 100_000, 100 * time.Millisecond}, {1_000_000, 200_000, 3 * time.Millisecond}, {50_000, 20_000, 0}} {
		const noise = 10 * lookNs
		if err := drive.FollowsStall(wholeOf(t, c.rate, c.n, c.stall, false), c.rate, c.stall, noise); err != nil {
			t.Errorf("%v events/s, stalled for %v: %v", c.rate, c.stall, err)
		}
		if c.stall == 0 {
			continue
		}
		leaked := wholeOf(t, c.rate, c.n, c.stall, true)
		if err := drive.FollowsStall(leaked, c.rate, c.stall, noise); err == nil {
			t.Errorf("%v events/s, stalled for %v: a generator that counts from its waking up passes, with a P99 of %d ns", c.rate, c.stall, leaked.ValueAtPercentile(99))
		}
	}
}
