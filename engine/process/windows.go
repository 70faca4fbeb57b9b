package process

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

// Windows says how the BATCH lane aggregates its events by topic.
type Windows struct {
	// Span is the length of a window, from multiples of it since 1970 on: 100 ms
	// to 1 h; 0 aggregates nothing. The original's is 5 s.
	Span time.Duration
	// Topics is how many a window tells apart: 1 to 65,536, default 4,096, of 1.5
	// KiB each. What is beyond goes into one result without a topic.
	Topics int
	// Fold stores the results instead of the events.
	Fold bool
}

// Validate says what is out of range, or returns nil.
func (w Windows) Validate() error {
	if w.Span != 0 && (w.Span < 100*time.Millisecond || w.Span > time.Hour) {
		return fmt.Errorf("batch window: %v must be 100ms to 1h, or 0 for none", w.Span)
	}
	if w.Topics < 1 || w.Topics > 1<<16 {
		return fmt.Errorf("batch window topics: %d must be 1 to %d", w.Topics, 1<<16)
	}
	return nil
}

// WindowTopic opens the topics of results: what follows is the topic of the
// events that they are about.
const WindowTopic = "$window/"

// windowTopicMax is the longest topic, in bytes, that has a result of its own.
const windowTopicMax = 512

// Publish takes an event that the engine has made, or reports that there is no
// room now.
type Publish func(topic string, payload []byte) bool

// Batches are what the BATCH lane does: tumbling windows over the time of
// receipt, with a result for each topic, which is an event itself. A window
// closes when an event comes that is behind its end, or when its end has passed;
// an event that comes later still counts in the window that is open then.
type Batches struct {
	Folded  metrics.Counter // events that are only in the result of their window
	Late    metrics.Counter // events that came behind the end of their window
	Results metrics.Counter // published

	*calls
	windows Windows
	slots   *bus.Slots
	clock   cpu.Clock
	publish Publish

	open    map[string]*aggregate
	index   int64 // of the open window: its start over the span
	dueAt   cpu.Ticks
	rest    *aggregate   // of the topics beyond the bound
	closed  []*aggregate // of the window before, still to be published
	spare   []*aggregate
	payload []byte
	homes   [batch]event.Ref

	finish   atomic.Bool // the engine stops: close what is open
	finished atomic.Bool
}

// Aggregate makes the processor aggregate its events by topic and publish the
// results.
func (p *Processor) Aggregate(w Windows, handlers []Handler, publish Publish) *Batches {
	b := &Batches{calls: newCalls(handlers), windows: w, slots: p.slots, clock: p.Meter.clock, publish: publish, open: map[string]*aggregate{}}
	p.task = b
	return b
}

// Finish closes the window that is open, at the next step, for no more will
// come. Finished reports that its results are published. Any goroutine.
func (b *Batches) Finish() { b.finish.Store(true) }

// Finished is true once everything was published after Finish.
func (b *Batches) Finished() bool { return b.finished.Load() }

func (b *Batches) treat(refs []event.Ref, now cpu.Ticks) (kept int) {
	for _, r := range refs {
		h := b.slots.At(r)
		b.run(h)
		if !isResult(h) {
			b.fold(h, now)
		}
	}
	if !b.windows.Fold {
		return len(refs)
	}
	return b.separate(refs)
}

// separate moves the results to the front and sends the others home.
func (b *Batches) separate(refs []event.Ref) (kept int) {
	n := 0
	for _, r := range refs {
		if isResult(b.slots.At(r)) {
			refs[kept] = r
			kept++
		} else {
			b.homes[n%batch] = r
			n++
		}
	}
	b.Folded.Add(uint64(n))
	b.slots.Return(b.homes[:n])
	return kept
}

// isResult reports whether the event was made here: it is not folded again.
func isResult(h *event.Header) bool {
	return h.Origin == event.FromPlugin && bytes.HasPrefix(h.Topic(), []byte(WindowTopic))
}

// fold counts the event in its window.
func (b *Batches) fold(h *event.Header, now cpu.Ticks) {
	span := b.windows.Span.Nanoseconds()
	index := h.Wall / span
	switch {
	case b.dueAt == 0:
		b.begin(index, h.Wall, now)
	case index > b.index && b.close():
		b.begin(index, h.Wall, now)
	case index < b.index:
		b.Late.Add(1)
	}
	b.aggregate(h.Topic()).add(h.Wall, int(h.Length)-event.RecordSize-int(h.TopicLength))
}

// begin opens a window, at the arrival of its first event.
func (b *Batches) begin(index, wall int64, now cpu.Ticks) {
	b.index = index
	b.dueAt = now + b.clock.Ticks((index+1)*b.windows.Span.Nanoseconds()-wall)
}

// aggregate is the topic's.
func (b *Batches) aggregate(topic []byte) *aggregate {
	if a := b.open[string(topic)]; a != nil {
		return a
	}
	if len(b.open) >= b.windows.Topics || len(topic) > windowTopicMax {
		if b.rest == nil {
			b.rest = b.fresh("")
		}
		return b.rest
	}
	a := b.fresh(string(topic))
	b.open[a.topic] = a
	return a
}

func (b *Batches) fresh(topic string) *aggregate {
	if n := len(b.spare); n > 0 {
		a := b.spare[n-1]
		b.spare = b.spare[:n-1]
		*a = aggregate{topic: topic}
		return a
	}
	return &aggregate{topic: topic}
}

// close ends the open window, unless results of the one before still wait: then
// it stays open, and grows.
func (b *Batches) close() bool {
	if len(b.closed) > 0 {
		return false
	}
	for _, a := range b.open {
		b.closed = append(b.closed, a)
	}
	if b.rest != nil {
		b.closed = append(b.closed, b.rest)
		b.rest = nil
	}
	for _, a := range b.closed {
		a.start, a.end = b.index*b.windows.Span.Nanoseconds(), (b.index+1)*b.windows.Span.Nanoseconds()
	}
	clear(b.open)
	b.dueAt = 0
	return true
}

// due closes the window when its time is over, and publishes results as far as
// there is room; they come back through the lane.
func (b *Batches) due(_ []event.Ref, now cpu.Ticks) (n, work int) {
	finish := b.finish.Load()
	if b.dueAt != 0 && (now >= b.dueAt || finish) {
		b.close()
	}
	for len(b.closed) > 0 && work < batch {
		a := b.closed[len(b.closed)-1]
		b.payload = a.appendTo(b.payload[:0])
		if !b.publish(WindowTopic+a.topic, b.payload) {
			break
		}
		b.Results.Add(1)
		b.closed = b.closed[:len(b.closed)-1]
		b.spare = append(b.spare, a)
		work++
	}
	if finish && b.dueAt == 0 && len(b.closed) == 0 {
		b.finished.Store(true)
	}
	return 0, work
}

// aggregate is one topic's events in one window.
type aggregate struct {
	topic      string
	start, end int64 // ns, of the window
	count      uint64
	bytes      uint64
	last       int64 // ns, when the last one was received
	gaps       gaps
}

func (a *aggregate) add(wall int64, payload int) {
	if a.count > 0 {
		a.gaps.add(max(0, wall-a.last))
	}
	a.count++
	a.bytes += uint64(payload)
	a.last = wall
}

// appendTo writes the result as JSON. Times are ns since 1970, gaps ns between
// the receipt of two events; they are left out where there was but one.
func (a *aggregate) appendTo(b []byte) []byte {
	field := func(name string, value int64) {
		b = append(b, ',', '"')
		b = append(append(b, name...), '"', ':')
		b = strconv.AppendInt(b, value, 10)
	}
	b = strconv.AppendInt(append(b, `{"start_ns":`...), a.start, 10)
	field("end_ns", a.end)
	field("count", int64(a.count))
	field("bytes", int64(a.bytes))
	if g := &a.gaps; g.count > 0 {
		field("gap_min_ns", g.min)
		field("gap_max_ns", g.max)
		field("gap_mean_ns", g.sum/int64(g.count))
		field("gap_p50_ns", g.quantile(0.5))
		field("gap_p99_ns", g.quantile(0.99))
	}
	return append(b, '}')
}
