package engine

import (
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine/control"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// The original lists twelve bugs that it has fixed. Each has a test here, in the
// order of the list, that fails where the bug is.

// still is an engine on real files that the test steps by hand.
func still(t *testing.T, change func(*Config)) (e *Engine, step func(...Stage)) {
	t.Helper()
	cfg := simConfig()
	cfg.Log = store.Default(filepath.Join(t.TempDir(), "events"))
	cfg.Log.Mode, cfg.Log.SegmentBytes = store.OS, store.SegmentBytesMin
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	now := cpu.Now()
	return e, func(which ...Stage) {
		if len(which) == 0 {
			which = stages
		}
		now += 5_000_000
		for _, s := range which {
			for _, w := range e.staff.workers[s] {
				w.Step(now)
			}
		}
	}
}

// send publishes events that have to be taken.
func send(t *testing.T, e *Engine, events ...ingest.Event) {
	t.Helper()
	p, err := e.Publisher()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { e.desk.free <- p }()
	if n, err := p.PublishBatch(events); n != len(events) {
		t.Fatalf("%d of %d published: %v", n, len(events), err)
	}
}

func many(n int, e ingest.Event) (all []ingest.Event) {
	for i := range n {
		if e.Topic = "t"; e.ID != 0 {
			e.ID += uint64(i)
		}
		all = append(all, e)
	}
	return all
}

// 1: cleaning up old ids raced with inserting new ones, which were forgotten.
func TestFixedCleanupRaceInDedup(t *testing.T) {
	memory := process.DefaultMemory()
	memory.Bytes = 256 << 10 // so that the sweep is often where an id goes in
	seen := process.NewSeen(memory, 1, cpu.NewClock(1e9), nil)
	stop := make(chan bool)
	var cleaning sync.WaitGroup
	cleaning.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				seen.Sweep(256)
			}
		}
	})
	const first, ids = uint64(1) << 40, 4000
	for id := first; id < first+ids; id++ {
		if seen.Insert(id) != queue.Fresh {
			t.Errorf("id %#x is known before it came", id)
		}
	}
	close(stop)
	cleaning.Wait()
	seen.Sweep(memory.Bytes / cpu.CacheLine)
	for id := first; id < first+ids; id++ {
		if seen.Insert(id) != queue.Duplicate || !seen.Contains(id) {
			t.Fatalf("id %#x was forgotten", id)
		}
	}
}

// 2: the previous state was a static variable, shared by all control planes.
func TestFixedSharedPreviousState(t *testing.T) {
	one, _ := still(t, nil)
	other, _ := still(t, nil)
	at := time.Unix(1, 0)
	one.Plane.Step(control.Sample{Now: at, Depth: 2})
	if d := other.Plane.Step(control.Sample{Now: at}); d.State != control.Healthy || len(other.Plane.Status().Transitions) != 0 {
		t.Errorf("an engine at rest is %v since another is in an emergency", d.State)
	}
	if s := one.Plane.Status(); s.Decision.State != control.Emergency {
		t.Errorf("the other is %v", s.Decision.State)
	}
}

// 3: drop rates counted before there were enough events to take one of.
func TestFixedWarmUpCountIgnored(t *testing.T) {
	p, at := control.NewPlane(control.Default()), time.Unix(1, 0)
	p.Step(control.Sample{Now: at})
	if d := p.Step(control.Sample{Now: at.Add(control.Every), Received: 10, Dropped: 10}); d.State != control.Healthy {
		t.Errorf("%v after 10 events, of the 1000 that a rate wants", d.State)
	}
}

// 4: events that the REALTIME lane dropped never got to the dead letters.
func TestFixedRealtimeDropsReachDeadLetters(t *testing.T) {
	e, step := still(t, nil)
	send(t, e, many(120, ingest.Event{Priority: event.High})...)
	for range 10 {
		step(Dispatch)
	}
	for range 10 {
		step(Realtime, Letters, Store, Commit)
	}
	s := e.Stats()
	if s.Captured != 56 || s.Dropped[wire.ReasonQueueFull] != 56 || s.InFlight() != 0 {
		t.Errorf("%d captured of %d dropped, %d in flight; want 56, 56 and none", s.Captured, s.Dropped[wire.ReasonQueueFull], s.InFlight())
	}
}

// 5: a TCP sender that was held was not counted anywhere.
func TestFixedTCPBackpressureIsCounted(t *testing.T) {
	cfg := ingest.Default("127.0.0.1:0", cpu.NewClock(1e9))
	e, err := New(func() Config {
		c := simConfig()
		c.Log, c.TCP = store.Default(filepath.Join(t.TempDir(), "events")), cfg
		return c
	}())
	if errors.Is(err, cpu.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	conn, err := net.Dial("tcp", e.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	frame := []byte{0, 0, 0, 4, 3, 0, 1, 't'}
	var burst []byte
	for range 1000 { // more than the pool has slots
		burst = append(burst, frame...)
	}
	if _, err := conn.Write(burst); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); e.Stats().NoSlot+e.Stats().LaneFull == 0; time.Sleep(time.Millisecond) {
		for _, w := range e.staff.workers[Ingest] {
			w.Step(cpu.Now())
		}
		if time.Now().After(deadline) {
			t.Fatalf("no backpressure counted: %+v", e.Stats())
		}
	}
}

// 6: the registry handed out its map, which others then wrote while it was read.
func TestFixedMetricsMapExposed(t *testing.T) {
	var r metrics.Registry
	labels := []metrics.Label{{Name: "lane", Value: "x"}} // one for all readings, as a part may have it
	r.Add(func(emit func(metrics.Reading)) {
		emit(metrics.Reading{Name: "a_total", Help: "A.", Value: 1, Labels: labels})
	})
	first, _ := r.Gather()
	first[0].Value, first[0].Labels[0].Value = 99, "spoilt"
	if again, _ := r.Gather(); len(again) != 1 || again[0].Value != 1 || again[0].Labels[0].Value != "x" {
		t.Errorf("what was handed out is the registry's own: %+v", again)
	}
	var adding sync.WaitGroup
	adding.Go(func() {
		for range 100 {
			r.Add(func(func(metrics.Reading)) {})
		}
	})
	for range 100 { // the race detector looks on
		r.Gather()
	}
	adding.Wait()
}

// 7: an id was remembered before its event had succeeded, so that a failed one
// could never be sent again.
func TestFixedDedupEntryBeforeSuccess(t *testing.T) {
	broken := true
	e, step := still(t, func(c *Config) {
		c.Handlers = []process.Handler{{Pattern: "#", Handle: func(*process.Event) error {
			if broken {
				return errSim
			}
			return nil
		}}}
	})
	again := ingest.Event{Topic: "t", ID: 5<<40 | 1, Priority: event.Medium}
	send(t, e, again)
	for range 100 {
		step()
	}
	if s := e.Stats(); s.Captured != 1 {
		t.Fatalf("%+v, want the event dead-lettered", s)
	}
	broken = false
	send(t, e, again)
	for range 10 {
		step()
	}
	if s := e.Stats(); s.Stored != 1 || s.Duplicates != 0 {
		t.Errorf("stored %d, duplicates %d; want the second attempt stored", s.Stored, s.Duplicates)
	}
}

// 8: a bucket of the batch lane was cleared when it was processed and again
// afterwards, with what had come in between.
func TestFixedBatchBucketClearedTwice(t *testing.T) {
	counted := uint64(0)
	e, step := still(t, func(c *Config) {
		c.Windows = process.Windows{Span: 100 * time.Millisecond, Topics: 4}
		c.Handlers = []process.Handler{{Pattern: process.WindowTopic + "#", Handle: func(e *process.Event) error {
			var result struct{ Count uint64 }
			err := json.Unmarshal(e.Payload, &result)
			counted += result.Count
			return err
		}}}
	})
	for range 40 {
		send(t, e, many(5, ingest.Event{Priority: event.Low})...)
		step() // 5 ms by the clock of the steps: windows close between and beneath events
	}
	for !e.resulted() {
		step()
	}
	if counted != 200 {
		t.Errorf("results count %d events, want 200", counted)
	}
}

// 9: processors were not connected to the storage.
func TestFixedStorageIsWired(t *testing.T) {
	e, step := still(t, nil)
	for p := range event.Priority(event.Priorities) {
		send(t, e, ingest.Event{Topic: "t", Priority: p})
	}
	for range 10 {
		step()
	}
	if s := e.Stats(); s.Stored != event.Priorities {
		t.Errorf("%d of one event of each priority stored", s.Stored)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := store.NewReader(e.cfg.Log.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for range r.All() {
		n++
	}
	if n != event.Priorities {
		t.Errorf("%d events in the log, want %d", n, event.Priorities)
	}
}

// 10: dead letters went to a fixed place, wherever the storage was.
func TestFixedDeadLetterPath(t *testing.T) {
	e, _ := still(t, nil)
	if got, want := e.cfg.Dead.Dir, filepath.Join(filepath.Dir(e.cfg.Log.Dir), "dead"); got != want {
		t.Errorf("dead letters in %s, want %s", got, want)
	}
	if got := DeadDir("/a/log/"); got != "/a/log.dead" {
		t.Errorf("dead letters of /a/log/ in %s", got)
	}
}

// 11: slots were not given back, so that the pool ran dry.
func TestFixedPoolRelease(t *testing.T) {
	e, step := still(t, nil)
	for range 20 { // ten times the pool's 300 slots
		send(t, e, many(150, ingest.Event{Priority: event.Low})...)
		for range 10 {
			step()
		}
	}
	if s := e.Stats(); s.Received != 3000 || s.InFlight() != 0 {
		t.Errorf("received %d, in flight %d; want 3000 and none", s.Received, s.InFlight())
	}
}

// 12: ingest took its slots from a common pool, not from the one of its node.
func TestFixedIngestUsesItsOwnPool(t *testing.T) {
	var feeds []*ingest.Publisher
	e, step := still(t, func(c *Config) {
		c.Publishers = 0
		for range 3 {
			c.Feeds = append(c.Feeds, func(p *ingest.Publisher) duty.Worker {
				feeds = append(feeds, p)
				return &simLog{}
			})
		}
	})
	refs := make([]event.Ref, 8)
	for i, p := range feeds {
		if err := p.Publish("t", nil, event.High); err != nil {
			t.Fatal(err)
		}
		step(Dispatch)
		if n := e.bus.Routed[event.LaneRealtime].PopBatch(refs); n != 1 || int(refs[0].Pool()) != i {
			t.Errorf("way in %d takes its slots from pool %d", i, refs[0].Pool())
		}
	}
}
