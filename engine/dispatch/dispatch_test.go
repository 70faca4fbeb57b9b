package dispatch

import (
	"math/rand/v2"
	"testing"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
)

func newBus(depth int) *bus.Bus {
	b := bus.New(bus.Depths{depth, depth, depth})
	for i := range b.Routed {
		b.Routed[i].Bell = new(duty.Bell)
	}
	return b
}

func newSource() *queue.SPSC { return queue.NewSPSC(make([]event.Ref, 4096), 4096) }

func TestEveryPriorityGoesToItsLane(t *testing.T) {
	b, source := newBus(64), newSource()
	d := New(b, source)
	want := map[event.Priority]event.Lane{
		event.Critical: event.LaneRealtime, event.High: event.LaneRealtime, event.Medium: event.LaneTransactional,
		event.Low: event.LaneBatch, event.Batch: event.LaneBatch,
	}
	out := make([]event.Ref, 64)
	for priority, lane := range want {
		source.Push(event.Ref(7).WithPriority(priority))
		d.Step(0)
		for i := range b.Routed {
			n := b.Routed[i].PopBatch(out)
			if got := event.Lane(i); (n == 1) != (got == lane) {
				t.Errorf("%v: %d events in the %v lane", priority, n, got)
			}
		}
	}
}

// TestNothingIsLostOrReorderedUnderPressure routes 50,000 events over small
// lanes that are emptied at random, and holds each lane against a plain list.
func TestNothingIsLostOrReorderedUnderPressure(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	b := newBus(64)
	sources := []*queue.SPSC{newSource(), newSource()}
	d := New(b, sources[0], sources[1])
	var sent, got [2][event.Lanes][]event.Ref
	out := make([]event.Ref, 64)
	for next := event.Ref(1); next < 50_000; {
		which := random.IntN(2)
		for range random.IntN(300) {
			r := (next<<1 | event.Ref(which)).WithPriority(event.Priority(random.IntN(event.Priorities)))
			if sources[which].Push(r) {
				sent[which][r.Priority().Lane()] = append(sent[which][r.Priority().Lane()], r)
				next++
			}
		}
		d.Step(0)
		drain(b, out[:random.IntN(64)], &got)
	}
	for range 10_000 {
		d.Step(0)
		drain(b, out, &got)
	}
	if n := d.waiting(); n != 0 {
		t.Fatalf("%d events still wait", n)
	}
	for which := range sent {
		for lane := range sent[which] {
			compare(t, event.Lane(lane), sent[which][lane], got[which][lane])
		}
	}
}

func drain(b *bus.Bus, out []event.Ref, got *[2][event.Lanes][]event.Ref) {
	for i := range b.Routed {
		for _, r := range out[:b.Routed[i].PopBatch(out)] {
			got[r&1][i] = append(got[r&1][i], r)
		}
	}
}

func compare(t *testing.T, lane event.Lane, sent, got []event.Ref) {
	t.Helper()
	if len(sent) != len(got) {
		t.Fatalf("%v lane: %d events sent, %d came out", lane, len(sent), len(got))
	}
	for i := range sent {
		if sent[i] != got[i] {
			t.Fatalf("%v lane: event %d is %v, want %v", lane, i, got[i], sent[i])
		}
	}
}

// TestAFullLaneHoldsItsSourceBack: the dispatcher takes a bounded number of
// events that it cannot hand on.
func TestAFullLaneHoldsItsSourceBack(t *testing.T) {
	b, source := newBus(64), newSource()
	d := New(b, source)
	for i := range 4096 {
		source.Push(event.Ref(i + 1).WithPriority(event.High))
	}
	for range 100 {
		d.Step(0)
	}
	if d.waiting() > 2*batch || source.Len() != 4096-64-d.waiting() {
		t.Errorf("%d wait in the dispatcher, %d in the source", d.waiting(), source.Len())
	}
	if d.Step(0) != 0 {
		t.Error("a step that moved nothing reports work: its thread would never rest")
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	b, source := newBus(1024), newSource()
	d := New(b, source)
	refs, out := mixed(64), make([]event.Ref, 64)
	if n := testing.AllocsPerRun(1000, func() {
		source.PushBatch(refs)
		d.Step(0)
		for i := range b.Routed {
			b.Routed[i].PopBatch(out)
		}
	}); n != 0 {
		t.Errorf("%v allocations a step, want 0", n)
	}
}

func mixed(n int) []event.Ref {
	refs := make([]event.Ref, n)
	for i := range refs {
		refs[i] = event.Ref(i + 1).WithPriority(event.Priority(i % event.Priorities))
	}
	return refs
}

// TestAProducerKeepsItsSublane: its events come out of one sub-lane, in order, and
// what the server has numbered is dealt out by the way it came in.
func TestAProducerKeepsItsSublane(t *testing.T) {
	const k, producers = 4, 32
	classes := memory.Classes{{Size: 256, Count: 2000}, {Size: 512, Count: 1}, {Size: 1024, Count: 1}, {Size: 2048, Count: 1}}
	arena, err := memory.NewArena(classes.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Close()
	pool, err := memory.NewPool(arena, 0, -1, classes, queue.NewMPSC(make([]event.Ref, 2048)))
	if err != nil {
		t.Fatal(err)
	}
	b := bus.NewDivided(k, bus.Depths{1024, 4096, 4096})
	for i := range b.Routed {
		b.Routed[i].Bell = new(duty.Bell)
	}
	source := newSource()
	d := New(b, source)
	d.Defend(Defences{Slots: &bus.Slots{Arena: arena}, Marks: [event.Lanes]int{4096, 4096, 4096}})
	for n := range uint64(1500) {
		r, h := pool.Acquire(100)
		h.ID = n%producers<<event.CounterBits | n
		source.Push(r.WithPriority([]event.Priority{event.Medium, event.Low, event.High}[n/producers%3]))
	}
	for range 20 {
		d.Step(0)
	}
	at := map[[2]uint64]int{} // by lane and producer
	last, used := map[[2]uint64]uint64{}, map[int]bool{}
	out := make([]event.Ref, 2000)
	for lane := range event.Lane(event.Lanes) {
		for i := b.At(lane); i < b.At(lane)+b.Routed[b.At(lane)].Parts; i++ {
			for _, r := range out[:b.Routed[i].PopBatch(out)] {
				id := arena.At(r).ID
				key := [2]uint64{uint64(lane), id >> event.CounterBits}
				if where, ok := at[key]; ok && where != i || r.Priority().Lane() != lane {
					t.Errorf("%v event of producer %d in sub-lane %d, others in %d", r.Priority(), key[1], i, where)
				}
				if counter := id % (1 << event.CounterBits); counter < last[key] {
					t.Errorf("sub-lane %d: event %#x behind %d", i, id, last[key])
				}
				at[key], last[key], used[i] = i, id%(1<<event.CounterBits), true
			}
		}
	}
	if len(at) != event.Lanes*producers || len(used) != 1+2*k {
		t.Errorf("%d producers of lanes came out of %d sub-lanes, want %d and %d", len(at), len(used), event.Lanes*producers, 1+2*k)
	}
}

// BenchmarkStep is per event, in batches of 64 of all priorities.
func BenchmarkStep(b *testing.B) {
	lanes, source := newBus(1024), newSource()
	d := New(lanes, source)
	refs, out := mixed(64), make([]event.Ref, 64)
	for b.Loop() {
		source.PushBatch(refs)
		d.Step(0)
		for i := range lanes.Routed {
			lanes.Routed[i].PopBatch(out)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/event")
}

// waiting is how many events are in trays and on hold.
func (d *Dispatcher) waiting() (n int) {
	for i := range d.trays {
		n += d.trays[i].n
	}
	for i := range d.ways {
		n += len(d.ways[i].paused)
	}
	return n
}
