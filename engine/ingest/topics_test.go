package ingest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/topic"
)

func table(t testing.TB, text string) *topic.Table {
	t.Helper()
	table, err := topic.Parse("topics.conf", strings.NewReader(text))
	must(t, err)
	return table
}

func holding(t *topic.Table) *atomic.Pointer[topic.Table] {
	p := new(atomic.Pointer[topic.Table])
	p.Store(t)
	return p
}

// TestTopicsRaisePriorities: the effective priority is the higher of the two,
// in the handle that is routed by as in the header that is stored.
func TestTopicsRaisePriorities(t *testing.T) {
	r := newRig(t, 64, testClasses)
	r.intake.Topics = holding(table(t, "a:CRITICAL\nb/+:LOW"))
	for _, test := range []struct {
		topic       string
		frame, want event.Priority
	}{
		{"a", event.Batch, event.Critical}, {"a", event.Critical, event.Critical},
		{"b/x", event.Batch, event.Low}, {"b/x", event.High, event.High},
		{"c", event.Batch, event.Batch}, {"c", event.High, event.High},
	} {
		for _, memo := range []*topic.Memo{nil, new(topic.Memo)} {
			f := frame(test.topic, nil)
			f.Priority = test.frame
			r.intake.Admit(f, Arrival{Memo: memo})
			r.intake.Flush()
			if got := r.drain(t)[0].header.Priority; got != test.want { // drain compares the handle's
				t.Errorf("%s at %v: %v, want %v", test.topic, test.frame, got, test.want)
			}
		}
	}
	r.intake.Topics.Store(nil)
	r.intake.Admit(frame("a", nil), Arrival{})
	r.intake.Flush()
	if got := r.drain(t)[0].header.Priority; got != event.Medium {
		t.Errorf("without a table: %v, want the frame's", got)
	}
}

// TestTopicsOfConnections has two connections with a topic each.
func TestTopicsOfConnections(t *testing.T) {
	s := serve(t, newRig(t, 1024, testClasses), nil)
	s.intake.Topics = holding(table(t, "loud:HIGH"))
	loud, quiet := s.dial(t), s.dial(t)
	for range 50 {
		for _, f := range []struct {
			to    interface{ Write([]byte) (int, error) }
			topic string
		}{{loud, "loud"}, {quiet, "quiet"}} {
			_, err := f.to.Write(frame(f.topic, nil).Append(nil))
			must(t, err)
		}
	}
	s.until(t, "100 events", func() bool { return len(s.events) == 100 })
	for _, e := range s.events {
		if want := map[string]event.Priority{"loud": event.High, "quiet": event.Medium}[e.topic]; e.header.Priority != want {
			t.Fatalf("%s: %v, want %v", e.topic, e.header.Priority, want)
		}
	}
}

// TestTopicsAreReplacedWhileEventsCome never stops the stream: each event has
// the priority of one table or the other, and in the end that of the last.
func TestTopicsAreReplacedWhileEventsCome(t *testing.T) {
	r := newRig(t, 1024, memory.DefaultClasses())
	tables := []*topic.Table{table(t, "t:HIGH"), table(t, "t:CRITICAL")}
	r.intake.Topics = holding(tables[0])
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for i := range 2000 {
			r.intake.Topics.Store(tables[i%2])
		}
	})
	p := NewPublisher(r.intake, event.FromInternal)
	publish := func() (got event.Priority) {
		must(t, p.Publish("t", nil, event.Low))
		return r.drain(t)[0].header.Priority
	}
	for i := range 2000 {
		if got := publish(); got != event.High && got != event.Critical {
			t.Fatalf("event %d: %v", i, got)
		}
	}
	swapping.Wait()
	if got := publish(); got != event.Critical {
		t.Errorf("after the last table: %v", got)
	}
}

func TestTopicsAllocateNothing(t *testing.T) {
	r := newRig(t, 1024, testClasses)
	r.intake.Topics = holding(table(t, "a/+:HIGH"))
	frames := [][]byte{}
	for i := range 10 {
		frames = append(frames, fmt.Appendf(nil, "a/%d", i))
	}
	f, refs, n := frame("a", nil), make([]event.Ref, batch), 0
	if allocs := testing.AllocsPerRun(2000, func() {
		f.Topic = frames[n%len(frames)]
		if n++; !r.intake.Admit(f, Arrival{Received: cpu.Ticks(n)}) || !r.intake.Flush() {
			t.Fatal("busy")
		}
		for _, ref := range refs[:r.lane.PopBatch(refs)] {
			r.pool.Release(ref)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}
