package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// smallConfig is an engine of a few MiB, so that tests run under the race
// detector, where its arena is heap memory.
func smallConfig(t *testing.T) engine.Config {
	t.Helper()
	cfg := engine.Default(t.TempDir())
	cfg.Pool = memory.Classes{
		{Size: 256, Count: 512}, {Size: 2 << 10, Count: 64}, {Size: 64 << 10, Count: 4}, {Size: 1<<20 + 4<<10, Count: 2},
	}
	cfg.Log.SegmentBytes = 1 << 20
	cfg.Log.Mode = store.OS
	cfg.Dedup.Bytes = 128 << 10
	cfg.Windows.Span = 0 // no events but those that a test sends
	cfg.Drain = 20 * time.Second
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

// running starts the engine and returns what ends it.
func running(t *testing.T, cfg engine.Config) (e *engine.Engine, stop func() error) {
	t.Helper()
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, e.Close())
	})
	t.Cleanup(func() { stop() })
	select {
	case <-e.Running():
	case err := <-ended:
		t.Fatalf("engine did not start: %v", err)
	}
	return e, stop
}

// plans are the two plans, unpinned: tests share their CPUs with other tests.
var plans = map[string]engine.Plan{
	"fused": engine.Fused(duty.Unpinned, duty.Park),
	"split": engine.Split(duty.Unpinned, duty.Unpinned, duty.Park),
}

// TestEveryEventIsStoredOnceAndInOrder publishes from several goroutines, of all
// priorities, with small pools and lanes, so that every stage is held back now
// and then; and reads the log back.
func TestEveryEventIsStoredOnceAndInOrder(t *testing.T) {
	for name, plan := range plans {
		for _, mode := range []store.Mode{store.OS, store.Interval, store.Group} {
			t.Run(fmt.Sprintf("%s/%v", name, mode), func(t *testing.T) {
				cfg := smallConfig(t)
				cfg.Plan, cfg.Publishers, cfg.Log.Mode = plan, 3, mode
				cfg.Lanes, cfg.Overflow = bus.Depths{64, 64, 64}, bus.Policies{}
				e, stop := running(t, cfg)
				const each = 4000
				var publishing sync.WaitGroup
				for p := range cfg.Publishers {
					publisher, err := e.Publisher()
					if err != nil {
						t.Fatal(err)
					}
					publishing.Go(func() { publishNumbered(t, publisher, p, each) })
				}
				publishing.Wait()
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				checkLog(t, cfg.Log.Dir, cfg.Publishers, each)
			})
		}
	}
}

// publishNumbered publishes each events whose payload says who sent them and
// which they are, sleeping now and then so that the engine parks.
func publishNumbered(t *testing.T, p *ingest.Publisher, who, each int) {
	for i := range each {
		payload := binary.BigEndian.AppendUint64(nil, uint64(who)<<32|uint64(i))
		payload = append(payload, make([]byte, i%300)...)
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Microsecond) {
			err := p.Publish("test/topic", payload, event.Priority(i%event.Priorities))
			if err == nil {
				break
			}
			if !errors.Is(err, ingest.ErrBusy) || time.Now().After(deadline) {
				t.Errorf("publisher %d event %d: %v", who, i, err)
				return
			}
		}
		if i%1000 == 999 {
			time.Sleep(300 * time.Microsecond)
		}
	}
	for !p.Flush() {
		time.Sleep(20 * time.Microsecond)
	}
}

// checkLog wants each publisher's events in the log, every one once, and those
// of one lane in the order in which they were published.
func checkLog(t *testing.T, dir string, publishers, each int) {
	t.Helper()
	seen := make([][]bool, publishers)
	for i := range seen {
		seen[i] = make([]bool, each)
	}
	last := map[string]int{}
	count := 0
	readLog(t, dir, func(h *store.Entry) {
		word := binary.BigEndian.Uint64(h.Payload)
		who, i := int(word>>32), int(word&(1<<32-1))
		if seen[who][i] {
			t.Fatalf("event %d of publisher %d stands in the log twice", i, who)
		}
		seen[who][i] = true
		if want := event.Priority(i % event.Priorities); h.Priority != want || len(h.Payload) != 8+i%300 {
			t.Fatalf("event %d of publisher %d has priority %v and %d bytes", i, who, h.Priority, len(h.Payload))
		}
		lane := fmt.Sprint(who, h.Priority.Lane())
		if before, ok := last[lane]; ok && before > i {
			t.Fatalf("publisher %d, %v lane: event %d after %d", who, h.Priority.Lane(), i, before)
		}
		last[lane] = i
		count++
	})
	if count != publishers*each {
		t.Errorf("%d events in the log, want %d", count, publishers*each)
	}
}

func readLog(t *testing.T, dir string, visit func(*store.Entry)) {
	t.Helper()
	r, err := store.NewReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		visit(r.Entry())
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestStampsRunForward: an event is received, then at one stage after the other,
// then stored, whichever lane and sub-lane it takes; and nothing is noted of
// stages where that is not wanted.
func TestStampsRunForward(t *testing.T) {
	for _, c := range []struct {
		plan     string
		sublanes int
	}{{"fused", 1}, {"split", 1}, {"split", 4}} {
		stampsRunForward(t, c.plan, c.sublanes, metrics.NewStagedTrace(2000))
	}
	stampsRunForward(t, "split", 1, metrics.NewTrace(2000))
}

func stampsRunForward(t *testing.T, plan string, sublanes int, trace *metrics.Trace) {
	cfg := smallConfig(t)
	cfg.Plan, cfg.Trace = plans[plan], trace
	cfg.Plan.Sublanes = sublanes
	e, stop := running(t, cfg)
	for i := range 1000 {
		if err := e.Publish(t.Context(), "t", []byte{byte(i)}, event.Priority(i%event.Priorities)); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	samples := cfg.Trace.Samples()
	if len(samples) != 1000 {
		t.Fatalf("%d samples, want 1000", len(samples))
	}
	for i, s := range samples {
		staged := []cpu.Ticks{s.Received, s.Offered, s.Routed, s.Taken, s.Processed, s.Gathered, s.Stored}
		if trace.Staged() && !slices.IsSorted(staged) || s.Received == 0 || s.Received > s.Processed || s.Processed > s.Stored {
			t.Fatalf("sample %d: %v do not run forward", i, staged)
		}
		if !trace.Staged() && (s.Offered != 0 || s.Routed != 0 || s.Taken != 0 || s.Gathered != 0) {
			t.Fatalf("sample %d: %v of stages that were not to note anything", i, staged)
		}
	}
}

// TestConservationAtEveryMoment: however events end, what has met its fate never
// exceeds what came in, whenever one looks, and in the end equals it.
func TestConservationAtEveryMoment(t *testing.T) {
	cfg := smallConfig(t)
	cfg.Plan, cfg.Lanes, cfg.Dead.Depth = plans["split"], bus.Depths{64, 64, 64}, 64
	cfg.Windows = process.Windows{Span: 100 * time.Millisecond, Topics: 3, Fold: true}
	failures := 0
	cfg.Handlers = []process.Handler{{Pattern: "fails", Handle: func(*process.Event) error {
		if failures++; failures%3 == 0 {
			return errFlaky
		}
		return nil
	}}}
	e, stop := running(t, cfg)
	p, err := e.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range 5_000 {
			e := []ingest.Event{{Topic: []string{"a", "fails"}[i%2], ID: senderID(i / 10), Priority: event.Priority(i % event.Priorities)}}
			for n := 0; n == 0; n, _ = p.PublishBatch(e) {
			}
		}
		for !p.Flush() {
			time.Sleep(20 * time.Microsecond)
		}
	}()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
			if s := e.Stats(); s.Settled() > s.Received+s.Created {
				t.Fatalf("%d met their fate of %d: %+v", s.Settled(), s.Received+s.Created, s)
			}
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := e.Stats()
	if s.Settled() != s.Received+s.Created || s.Duplicates == 0 || s.Folded == 0 || s.Created == 0 {
		t.Errorf("%d met their fate of %d: %+v", s.Settled(), s.Received+s.Created, s)
	}
	in, dead := uint64(0), uint64(0)
	readLog(t, cfg.Log.Dir, func(*store.Entry) { in++ })
	readLog(t, engine.DeadDir(cfg.Log.Dir), func(*store.Entry) { dead++ })
	if in != s.Stored || dead != s.Captured {
		t.Errorf("%d in the log and %d dead letters; the account says %d and %d", in, dead, s.Stored, s.Captured)
	}
}

// TestPublishWaitsAndGivesUp: without a running engine the pool runs dry, and
// Publish waits until its context ends.
func TestPublishWaitsAndGivesUp(t *testing.T) {
	cfg := smallConfig(t)
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	published := 0
	for ; published < 10_000; published++ {
		if err = e.Publish(ctx, "t", nil, event.High); err != nil {
			break
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) || published > 512+64 {
		t.Errorf("%d published, then %v: want the pool's 512 and a deadline", published, err)
	}
	if _, err := e.Publisher(); !errors.Is(err, engine.ErrNoPublisher) {
		t.Errorf("a second publisher: %v, want %v", err, engine.ErrNoPublisher)
	}
}

func TestUndrainedEventsAreCounted(t *testing.T) {
	cfg := smallConfig(t)
	cfg.Drain = time.Millisecond
	cfg.Feeds = []engine.Feed{func(p *ingest.Publisher) duty.Worker { return &flood{p} }}
	_, stop := running(t, cfg)
	time.Sleep(20 * time.Millisecond)
	var undrained *engine.UndrainedError
	if err := stop(); !errors.As(err, &undrained) {
		t.Skipf("the flood was drained between two steps: %v", err) // a feed goes on while the engine drains
	}
}

// flood publishes on and on.
type flood struct{ p *ingest.Publisher }

func (f *flood) Step(cpu.Ticks) int {
	n := 0
	for f.p.Publish("t", nil, event.High) == nil && n < 64 {
		n++
	}
	return n
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*engine.Config)
		want  string
	}{
		"publishers":    {func(c *engine.Config) { c.Publishers = 33 }, "publishers: 33"},
		"drain":         {func(c *engine.Config) { c.Drain = 0 }, "drain time"},
		"stage missing": {func(c *engine.Config) { c.Plan.Threads[0].Stages = c.Plan.Threads[0].Stages[1:] }, "stage ingest is on no thread"},
		"stage unknown": {func(c *engine.Config) { c.Plan.Threads[0].Stages[0] = "polish" }, `unknown stage "polish"`},
		"stage twice": {func(c *engine.Config) {
			c.Plan.Threads = append(c.Plan.Threads, engine.Thread{Name: "more", CPU: duty.Unpinned, Stages: []engine.Stage{engine.Store}})
		}, "stage store is on threads engine and more"},
		"CPU twice": {func(c *engine.Config) { c.Plan = engine.Split(1, 1, duty.Park) }, "both pinned to CPU 1"},
		"lane":      {func(c *engine.Config) { c.Lanes[0] = 100 }, "power of two"},
		"pool":      {func(c *engine.Config) { c.Pool[0].Count = 0 }, "pool class 0"},
		"slot":      {func(c *engine.Config) { c.Pool[3].Size = 128 << 10 }, "pool's largest slot"},
		"folder":    {func(c *engine.Config) { c.Log.Dir = "/proc/none/such" }, "/proc/none"},
		"address":   {func(c *engine.Config) { c.TCP.Address = "no port" }, "no port"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := smallConfig(t)
			c.spoil(&cfg)
			if _, err := engine.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
