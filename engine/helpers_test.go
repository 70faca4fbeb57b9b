package engine_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

// meeting is a handler that waits for another to run beside it, until one has.
type meeting struct {
	inside atomic.Int32
	waited atomic.Int32
	met    atomic.Bool
}

func (m *meeting) attend(*process.Event) error {
	if m.met.Load() || m.waited.Add(1) > 2000 {
		return nil
	}
	m.inside.Add(1)
	defer m.inside.Add(-1)
	for began := time.Now(); !m.met.Load() && time.Since(began) < time.Millisecond; {
		if m.inside.Load() > 1 {
			m.met.Store(true)
		}
	}
	return nil
}

// TestHelpersTakeOverAndGiveBack: while producers publish, the lanes are divided
// among two threads and one in turn. Every transaction is stored once, though each
// is sent twice, every producer's events stay in order within their lane, and the
// helper really runs handlers.
func TestHelpersTakeOverAndGiveBack(t *testing.T) {
	const producers, each, rounds = 6, 3000, 3
	cfg := smallConfig(t)
	said := new(journal)
	cfg.Logger = slog.New(slog.NewTextHandler(said, nil))
	cfg.Plan.Helpers = []engine.Thread{{Name: "helper", CPU: duty.Unpinned}}
	cfg.Publishers, cfg.Lanes = 2, bus.Depths{64, 1024, 1024}
	cfg.Overflow = bus.Policies{} // hold the publishers: nothing is dropped
	two := new(meeting)
	cfg.Handlers = []process.Handler{{Pattern: "pay", Handle: two.attend}}
	e, stop := running(t, cfg)
	var sending sync.WaitGroup
	for w := range cfg.Publishers { // each the half of the producers
		p, err := e.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		sending.Go(func() {
			for n := range uint64(2 * each) {
				for id := uint64(w + 1); id <= producers; id += 2 {
					one := []ingest.Event{{Topic: "pay", ID: id<<event.CounterBits | (n/2 + 1), Priority: event.Medium}}
					if n%2 == 1 {
						one = append(one, ingest.Event{Topic: "b", ID: one[0].ID, Priority: event.Low})
					}
					for len(one) > 0 {
						n, _ := p.PublishBatch(one)
						one = one[n:]
					}
				}
			}
			for !p.Flush() {
				time.Sleep(20 * time.Microsecond)
			}
		})
	}
	for range rounds {
		e.Plane.Override(control.Elevated, time.Now())
		time.Sleep(2 * control.Every)
		e.Plane.Override(control.Healthy, time.Now())
		time.Sleep(2 * control.Every)
	}
	sending.Wait()
	e.Plane.Override(control.Elevated, time.Now()) // and to the end
	time.Sleep(2 * control.Every)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !two.met.Load() {
		t.Error("no two handlers ran at once")
	}
	for _, line := range []string{"helpers take sub-lanes over", "helpers give sub-lanes back"} {
		if !said.has(line) {
			t.Errorf("the log does not say: %s", line)
		}
	}
	checkHandedOver(t, cfg.Log.Dir, producers, each)
	if s := e.Stats(); s.Duplicates != producers*each || s.InFlight() != 0 {
		t.Errorf("%d duplicates, %d in flight; want %d and none", s.Duplicates, s.InFlight(), producers*each)
	}
}

// checkHandedOver wants of each producer the counters from 1 on, in each lane.
func checkHandedOver(t *testing.T, dir string, producers, each uint64) {
	last := map[[2]uint64]uint64{}
	readLog(t, dir, func(e *store.Entry) {
		key := [2]uint64{uint64(e.Priority.Lane()), e.ID >> event.CounterBits}
		if counter := e.ID % (1 << event.CounterBits); counter != last[key]+1 {
			t.Fatalf("%v lane, producer %d: %d stored behind %d", e.Priority.Lane(), key[1], counter, last[key])
		}
		last[key]++
	})
	for _, lane := range []event.Lane{event.LaneTransactional, event.LaneBatch} {
		for p := uint64(1); p <= producers; p++ {
			if n := last[[2]uint64{uint64(lane), p}]; n != each {
				t.Errorf("%v lane: %d events of producer %d, want %d", lane, n, p, each)
			}
		}
	}
}

// TestNoSpareCPUIsSaid where there are no helpers.
func TestNoSpareCPUIsSaid(t *testing.T) {
	cfg, said := smallConfig(t), new(journal)
	cfg.Logger = slog.New(slog.NewTextHandler(said, nil))
	e, stop := running(t, cfg)
	e.Plane.Override(control.Elevated, time.Now())
	for deadline := time.Now().Add(20 * time.Second); !said.has("no spare CPU"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not said")
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestPlansOfHelpers(t *testing.T) {
	helpers := func(n int) []engine.Thread { return make([]engine.Thread, n) }
	for _, c := range []struct {
		helpers  []engine.Thread
		sublanes int
		depth    int
		want     string
	}{
		{helpers(0), 0, 64, ""}, {helpers(1), 0, 256, ""}, {helpers(15), 0, 1024, ""}, {helpers(0), 8, 512, ""}, {helpers(1), 2, 128, ""},
		{helpers(1), 1, 512, "more than there are helpers"}, {helpers(4), 4, 512, "more than there are helpers"}, {helpers(16), 0, 1024, "16 helpers"},
		{helpers(0), 3, 512, "power of two"}, {helpers(0), 32, 4096, "power of two"}, {helpers(0), -1, 512, "power of two"},
		{helpers(1), 0, 128, "fewer than 64 events each"},
		{[]engine.Thread{{Name: "h", Stages: []engine.Stage{engine.Batch}}}, 0, 512, "none of its own"},
	} {
		cfg := smallConfig(t)
		for i := range c.helpers {
			c.helpers[i].CPU = duty.Unpinned
		}
		cfg.Plan.Helpers, cfg.Plan.Sublanes, cfg.Lanes = c.helpers, c.sublanes, bus.Depths{64, c.depth, c.depth}
		err := cfg.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d helpers, %d sub-lanes of %d: %v, want %q", len(c.helpers), c.sublanes, c.depth, err, c.want)
		}
	}
}
