package process

import (
	"testing"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/queue"
)

// nanoClock ticks once a nanosecond in conversions; stamps are the real counter's.
var nanoClock = cpu.NewClock(1e9)

// bench is the bus, a pool and a log that takes what it is told to.
type bench struct {
	bus     *bus.Bus
	slots   *bus.Slots
	chute   *bus.Chute
	letters *bus.DeadLetters
	pool    *memory.Pool
	log     *bounded
}

// bounded is a log with room for so many events.
type bounded struct {
	room    int
	ids     []uint64
	durable uint64
	err     error
	count   bool   // number the events
	last    uint64 // the last number
}

func (l *bounded) Append(h *event.Header) (uint64, bool) {
	if l.room == 0 {
		return 0, false
	}
	l.room--
	if cap(l.ids) > len(l.ids) {
		l.ids = append(l.ids, h.ID)
	}
	if l.count {
		l.last++
	}
	return max(1, l.last), true
}

func (l *bounded) Offer() bool     { return false }
func (l *bounded) Durable() uint64 { return l.durable }
func (l *bounded) Err() error      { return l.err }

func newBench(tb testing.TB) *bench {
	tb.Helper()
	classes := memory.Classes{{Size: 256, Count: 1024}, {Size: 512, Count: 1}, {Size: 1024, Count: 1}, {Size: 2048, Count: 1}}
	arena, err := memory.NewArena(classes.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { arena.Close() })
	pool, err := memory.NewPool(arena, 0, -1, classes, queue.NewMPSC(make([]event.Ref, 2048)))
	if err != nil {
		tb.Fatal(err)
	}
	slots := &bus.Slots{Arena: arena, Pools: []*memory.Pool{pool}}
	letters := &bus.DeadLetters{Lane: &bus.Lane{Queue: queue.NewMPSC(make([]event.Ref, 64)), Bell: new(duty.Bell)}, Slots: slots}
	b := &bench{bus: bus.New(bus.Depths{64, 64, 64}, bus.DropOld), slots: slots, chute: bus.NewChute(letters), letters: letters, pool: pool, log: &bounded{room: 1 << 30, ids: make([]uint64, 0, 4096)}}
	for i := range b.bus.Routed {
		b.bus.Routed[i].Bell, b.bus.Processed[i].Bell = new(duty.Bell), new(duty.Bell)
	}
	return b
}

// event takes a slot for an event that was received at the time given.
func (b *bench) event(tb testing.TB, id uint64, received cpu.Ticks) event.Ref {
	tb.Helper()
	r, h := b.pool.Acquire(100)
	if h == nil {
		tb.Fatal("the pool is empty")
	}
	h.ID, h.Received, h.Left, h.Type = id, received, 0, event.TypeEvent
	h.Fill([]byte("t"), []byte("payload"))
	h.Seal()
	return r
}

func TestMetersCountWhatIsLate(t *testing.T) {
	b := newBench(t)
	p := NewProcessor(b.bus, event.LaneRealtime, 0, b.slots, b.chute, nanoClock)
	lane := &b.bus.Routed[event.LaneRealtime]
	now := cpu.Now()
	old := now - cpu.Ticks(time.Second) // late by any clock above 100 kHz
	for id, received := range []cpu.Ticks{old, old, now, old} {
		lane.Hand([]event.Ref{b.event(t, uint64(id), received)})
	}
	if n := p.Step(now); n != 4 {
		t.Fatalf("stepped %d, want 4", n)
	}
	if events, missed := p.Meter.Events.Load(), p.Meter.Missed.Load(); events != 4 || missed < 3 {
		t.Errorf("%d events, %d of them late; want 4, and 3 at the least", events, missed)
	}
	if s := p.Meter.Latency.Snapshot(); s.Count != 4 {
		t.Errorf("%d latencies recorded, want 4", s.Count)
	}
}

// TestAProcessorWaitsForTheStore: with the way to the store full it takes no
// more, and goes on where it was.
func TestAProcessorWaitsForTheStore(t *testing.T) {
	b := newBench(t)
	p := NewProcessor(b.bus, event.LaneBatch, 0, b.slots, b.chute, nanoClock)
	in, out := &b.bus.Routed[event.LaneBatch], &b.bus.Processed[event.LaneBatch]
	sent := 0
	for range 10 {
		for in.Len() < in.Cap() {
			in.Hand([]event.Ref{b.event(t, uint64(sent), 1)})
			sent++
		}
		p.Step(0)
	}
	if out.Len() != 64 || p.Meter.Events.Load() != 128 || in.Len() != 64 {
		t.Fatalf("%d on the way to the store, %d processed, %d waiting: want 64, 128 and 64", out.Len(), p.Meter.Events.Load(), in.Len())
	}
	if p.Step(0) != 0 {
		t.Error("a step that moved nothing reports work")
	}
	next, refs := uint64(0), make([]event.Ref, 16)
	for range 100 {
		for _, r := range refs[:out.PopBatch(refs)] {
			if id := b.slots.At(r).ID; id != next {
				t.Fatalf("event %d came out, want %d", id, next)
			}
			next++
		}
		p.Step(0)
	}
	if next != uint64(sent) {
		t.Errorf("%d events came out, want %d", next, sent)
	}
}

// TestTheStorerKeepsWhatTheLogRefuses: nothing is lost or reordered, and slots go
// home only when their events are in the log.
func TestTheStorerKeepsWhatTheLogRefuses(t *testing.T) {
	b := newBench(t)
	trace := metrics.NewTrace(64)
	s := NewStorer(b.bus, b.slots, b.chute, b.log, nanoClock, trace)
	for id := range uint64(50) {
		b.bus.Processed[event.LaneTransactional].Hand([]event.Ref{b.event(t, id, cpu.Now())})
	}
	for b.log.room = 20; b.log.room > 0; {
		s.Step(0)
	}
	if n := b.pool.Reclaim(); n != 20 || s.waiting() != 30 {
		t.Fatalf("%d slots came home and %d events wait, want 20 and 30", n, s.waiting())
	}
	if s.Step(0) != 0 {
		t.Error("a step that stored nothing reports work")
	}
	b.log.room = 100
	s.Step(0)
	for i, id := range b.log.ids {
		if id != uint64(i) {
			t.Fatalf("record %d is event %d", i, id)
		}
	}
	if len(b.log.ids) != 50 || len(trace.Samples()) != 50 || b.pool.Reclaim() != 30 {
		t.Errorf("%d stored, %d traced", len(b.log.ids), len(trace.Samples()))
	}
}

// TestTheUrgentLaneIsStoredFirst holds the storer to the order of the lanes.
func TestTheUrgentLaneIsStoredFirst(t *testing.T) {
	b := newBench(t)
	s := NewStorer(b.bus, b.slots, b.chute, b.log, nanoClock, nil)
	for _, lane := range []event.Lane{event.LaneBatch, event.LaneTransactional, event.LaneRealtime} {
		b.bus.Processed[lane].Hand([]event.Ref{b.event(t, uint64(lane), 1)})
	}
	s.Step(0)
	for i, id := range b.log.ids {
		if id != uint64(i) {
			t.Errorf("record %d is from the %v lane", i, event.Lane(id))
		}
	}
}

func TestStepsAllocateNothing(t *testing.T) {
	b := newBench(t)
	if testing.AllocsPerRun(100, func() { r, _ := b.pool.Acquire(100); b.pool.Release(r) }) > 0 {
		t.Skip("checked builds keep the pool's accounts on the heap")
	}
	p := NewProcessor(b.bus, event.LaneRealtime, 0, b.slots, b.chute, nanoClock)
	s := NewStorer(b.bus, b.slots, b.chute, b.log, nanoClock, nil)
	b.log.ids = nil
	refs := make([]event.Ref, 1)
	if n := testing.AllocsPerRun(1000, func() {
		refs[0] = b.event(t, 1, 1)
		b.bus.Routed[event.LaneRealtime].Hand(refs)
		p.Step(0)
		s.Step(0)
		b.pool.Reclaim()
	}); n != 0 {
		t.Errorf("%v allocations an event, want 0", n)
	}
}

// BenchmarkProcessAndStore is per event, in batches of 64.
func BenchmarkProcessAndStore(b *testing.B) {
	r := newBench(b)
	r.log.ids = nil
	r.log.room = 1 << 62
	p := NewProcessor(r.bus, event.LaneRealtime, 0, r.slots, r.chute, nanoClock)
	s := NewStorer(r.bus, r.slots, r.chute, r.log, nanoClock, nil)
	refs := make([]event.Ref, 64)
	for b.Loop() {
		for i := range refs {
			refs[i] = r.event(b, 1, 1)
		}
		r.bus.Routed[event.LaneRealtime].Hand(refs)
		p.Step(0)
		s.Step(0)
		r.pool.Reclaim()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/event")
}
