package ingest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/wire"
)

func TestAdmitCopiesTheFrame(t *testing.T) {
	r := newRig(t, 64, testClasses)
	f := wire.Frame{
		Version: wire.V2, Priority: event.High, Flags: wire.WithLevel(wire.LevelDurable),
		ID: 5<<40 | 9, Intended: 77, Topic: []byte("a/b"), Payload: []byte("body"),
	}
	before := time.Now().UnixNano()
	now := cpu.Now()
	if !r.intake.Admit(&f, Arrival{Received: now, Answer: 3, Origin: event.FromUDP}) || !r.intake.Flush() {
		t.Fatal("no room in an empty engine")
	}
	copy(f.Topic, "zzz") // the slot must not see the frame's buffer any more
	events := r.drain(t)
	if len(events) != 1 || events[0].topic != "a/b" || string(events[0].payload) != "body" {
		t.Fatalf("got %+v", events)
	}
	got := events[0].header
	wall := got.Wall
	if d := time.Duration(wall - before); d < -50*time.Millisecond || d > 10*time.Second {
		t.Errorf("received at %d ns, %v after the clock said %d", wall, d, before)
	}
	want := event.Header{Intended: 77, Received: now, Answer: 3, Record: event.Record{
		Content: got.Content, Length: event.RecordSize + 7, ID: 5<<40 | 9, Wall: wall, Type: event.TypeEvent,
		Priority: event.High, Flags: f.Flags, Origin: event.FromUDP, TopicLength: 3,
	}}
	if got != want {
		t.Errorf("header %+v, want %+v", got, want)
	}
	second := testClock().Ticks(1e9)
	r.intake.Admit(&f, Arrival{Received: now + second})
	r.intake.Flush()
	if later := r.drain(t)[0].header.Wall; later-wall < 999e6 || later-wall > 1001e6 {
		t.Errorf("an arrival 1 s later is %d ns later", later-wall)
	}
}

// TestAdmitHoldsBack fills first the pool, then the lane: what was admitted
// comes out once, in order, and what was refused can be admitted later.
func TestAdmitHoldsBack(t *testing.T) {
	few := testClasses
	few[0].Count = 100
	for _, test := range []struct {
		name      string
		laneDepth int
		classes   memory.Classes
	}{
		{"no slot", 1024, few},
		{"lane full", 64, testClasses},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, test.laneDepth, test.classes)
			const total = 2000
			var got []taken
			refusals := 0
			for i := 0; i < total; {
				if r.intake.Admit(frame(fmt.Sprint(i), nil), Arrival{Received: cpu.Ticks(i / 100)}) {
					i++
					continue
				}
				refusals++
				got = append(got, r.drain(t)...)
			}
			for !r.intake.Flush() {
				got = append(got, r.drain(t)...)
			}
			got = append(got, r.drain(t)...)
			c := &r.intake.Counters
			if refusals == 0 || c.NoSlot.Load()+c.LaneFull.Load() == 0 {
				t.Errorf("%d refusals, counted %d and %d: the test found no limit", refusals, c.NoSlot.Load(), c.LaneFull.Load())
			}
			if len(got) != total || c.Events.Load() != total {
				t.Fatalf("%d events, counted %d, want %d", len(got), c.Events.Load(), total)
			}
			for i, e := range got {
				if e.topic != fmt.Sprint(i) {
					t.Fatalf("event %d is %s", i, e.topic)
				}
			}
		})
	}
}

func TestAdmitReclaims(t *testing.T) {
	r := newRig(t, 1024, testClasses)
	refs := make([]event.Ref, 64)
	for i := range 5000 { // ten times the pool, all returned as another thread would
		for !r.intake.Admit(frame("t", nil), Arrival{}) {
			for n := r.lane.PopBatch(refs); n > 0; n = r.lane.PopBatch(refs) {
				r.pool.Return(refs[:n])
			}
			if i > 5000*10 {
				t.Fatal("nothing comes home")
			}
		}
	}
}

func TestNumbersAreUnique(t *testing.T) {
	numbers := NewNumbers(5000 * idStep)
	seen := make(map[uint64]bool)
	intakes := []*Intake{{numbers: numbers}, {numbers: numbers}, {numbers: numbers}}
	for range 3 * blockOf {
		for _, in := range intakes {
			id := in.number()
			if seen[id] || id <= 5000 || id > counterMask {
				t.Fatalf("id %d: seen before %v", id, seen[id])
			}
			seen[id] = true
		}
	}
}

// TestNumbersGoOnAfterARestart: whatever was stored, a server that starts again
// gives ids behind those that it gave before, at 20 million a second.
func TestNumbersGoOnAfterARestart(t *testing.T) {
	const began, ran = 1_800_000_000_123_456_789, 10 * time.Millisecond
	before := &Intake{numbers: NewNumbers(began)}
	var last uint64
	for range 20_000_000 * ran / time.Second {
		last = before.number()
	}
	after := &Intake{numbers: NewNumbers(began + ran.Nanoseconds())}
	if first := after.number(); first <= last {
		t.Errorf("id %d comes after %d", first, last)
	}
}

// TestNumbersWrap starts just short of the end of the 40 bits.
func TestNumbersWrap(t *testing.T) {
	in := &Intake{numbers: NewNumbers((counterMask - 2*blockOf) * idStep)}
	var last uint64
	for range 3 * blockOf {
		if last = in.number(); last == 0 || last > counterMask {
			t.Fatalf("id %d", last)
		}
	}
	if last > blockOf {
		t.Errorf("last id %d: it did not wrap", last)
	}
}

func TestNewIntakeWantsWholeFrames(t *testing.T) {
	small := testClasses
	small[3].Size = 1 << 20
	r := newRig(t, 64, testClasses)
	arena, err := memory.NewArena(small.Bytes())
	must(t, err)
	defer arena.Close()
	pool, err := memory.NewPool(arena, 2, -1, small, nil)
	must(t, err)
	if _, err := NewIntake(pool, r.lane, nil, nil); err == nil || !strings.Contains(err.Error(), "last class") {
		t.Errorf("a pool whose slots are too small for a frame: %v", err)
	}
}

func TestPublish(t *testing.T) {
	r := newRig(t, 64, testClasses)
	p := NewPublisher(r.intake, event.FromInternal)
	must(t, p.Publish("x", []byte("1"), event.Low))
	n, err := p.PublishBatch([]Event{
		{Topic: "y", Priority: event.Critical, ID: 42, Intended: 7},
		{Topic: "z"},
		{Topic: ""},
		{Topic: "never"},
	})
	if n != 2 || !errors.Is(err, wire.ErrTopic) {
		t.Errorf("PublishBatch: %d, %v", n, err)
	}
	events := r.drain(t)
	if !equalTopics(events, "x", "y", "z") {
		t.Fatalf("topics %q", topics(events))
	}
	y := events[1].header
	if y.ID != 42 || y.Intended != 7 || y.Priority != event.Critical || y.Origin != event.FromInternal {
		t.Errorf("header %+v", y)
	}
	if x, z := events[0].header.ID, events[2].header.ID; x == 0 || z != x+1 {
		t.Errorf("own ids %d, %d", x, z)
	}
}

func TestPublishRefuses(t *testing.T) {
	r := newRig(t, 64, testClasses)
	p := NewPublisher(r.intake, event.FromInternal)
	for _, test := range []struct {
		event Event
		want  error
	}{
		{Event{Topic: ""}, wire.ErrTopic},
		{Event{Topic: strings.Repeat("t", wire.MaxTopic+1)}, wire.ErrTopic},
		{Event{Topic: "t", Priority: event.Priorities}, wire.ErrPriority},
		{Event{Topic: "t", Payload: make([]byte, wire.MaxBody)}, wire.ErrTooLarge},
	} {
		if n, err := p.PublishBatch([]Event{test.event}); n != 0 || !errors.Is(err, test.want) {
			t.Errorf("%d, %v, want %v", n, err, test.want)
		}
	}
	busy := 0
	for range 2000 {
		if errors.Is(p.Publish("t", nil, event.Low), ErrBusy) {
			busy++
		}
	}
	got := len(r.drain(t))
	for !p.Flush() {
		got += len(r.drain(t))
	}
	if got += len(r.drain(t)); busy == 0 || got+busy != 2000 {
		t.Errorf("%d busy and %d events of 2000", busy, got)
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	r := newRig(t, 1024, testClasses)
	p := NewPublisher(r.intake, event.FromInternal)
	payload := make([]byte, 64)
	refs := make([]event.Ref, 64)
	if n := testing.AllocsPerRun(2000, func() {
		if p.Publish("t", payload, event.Medium) != nil {
			t.Fatal("busy")
		}
		for _, ref := range refs[:r.lane.PopBatch(refs)] {
			r.pool.Release(ref)
		}
	}); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// TestFifo holds the ring to a slice.
func TestFifo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q fifo
	var twin []*conn
	for range 20000 {
		switch rng.IntN(5) {
		case 0, 1:
			c := new(conn)
			q.push(c)
			twin = append(twin, c)
		case 2, 3:
			var want *conn
			if len(twin) > 0 {
				want, twin = twin[0], twin[1:]
			}
			if got := q.pop(); got != want {
				t.Fatalf("pop: %p, want %p", got, want)
			}
		case 4:
			if len(twin) > 0 {
				i := rng.IntN(len(twin))
				q.remove(twin[i])
				twin = append(twin[:i:i], twin[i+1:]...)
			}
		}
		if q.n != len(twin) {
			t.Fatalf("%d in the queue, want %d", q.n, len(twin))
		}
	}
}
