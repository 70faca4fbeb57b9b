package process

import (
	"bytes"
	"math"
	"slices"
	"sync/atomic"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// WindowTopic opens the topics of results: what follows is the topic of the
// events that they are about.
const WindowTopic = "$window/"

// windowTopicMax is the longest topic, in bytes, that has a result of its own.
const windowTopicMax = 512

// Publish takes an event that the engine has made, or reports that there is no
// room now.
type Publish func(topic string, payload []byte) bool

// Aggregator folds events into windows and publishes a result for each topic of
// each, which is an event itself. It is the storer's, where all the sub-lanes of
// a lane come together: the times between a topic's events cannot be had from
// parts of them.
//
// A window that has ended waits while results of one before it do, and grows; so
// it takes no more memory than its topics, however long nobody takes results.
type Aggregator struct {
	Meter   Meter           // received to folded
	Folded  metrics.Counter // events that are only in the result of their window
	Results metrics.Counter // published
	Late    metrics.Counter // events that came behind the end of their window
	Untimed metrics.Counter // events in no window, for they had no time that can be
	Missing metrics.Counter // events that had no value

	Askers *bus.Askers // told of what is folded; nil while nobody can ask

	windows        Windows
	span, lateness int64 // ns
	value, time    field
	unit           float64
	slots          *bus.Slots
	clock          cpu.Clock
	publish        Publish

	open     []*window // from the oldest to the newest
	mark     int64     // ns: whatever ends here or before has ended
	used     int       // aggregates with a topic, open or closed
	dueAt    cpu.Ticks // when what is open has ended though nothing comes; 0: not known yet
	closed   []*aggregate
	told     int // of them, published
	idle     []*window
	spare    []*aggregate
	payload  []byte
	homes    [batch]event.Ref
	received [batch]cpu.Ticks

	finish   atomic.Bool // the engine stops: close what is open
	finished atomic.Bool
}

// NewAggregator publishes results of windows of a positive span.
func NewAggregator(w Windows, slots *bus.Slots, clock cpu.Clock, publish Publish) *Aggregator {
	return &Aggregator{
		Meter:   Meter{clock: clock, bound: SLA[event.LaneBatch].Nanoseconds()},
		windows: w, span: w.Span.Nanoseconds(), lateness: w.Lateness.Nanoseconds(),
		value: field(w.ValueField), time: field(w.TimeField), unit: float64(w.TimeUnit),
		slots: slots, clock: clock, publish: publish, mark: math.MinInt64,
	}
}

// Finish closes the windows that are open, at the next step, for no more will
// come. Any goroutine.
func (a *Aggregator) Finish() { a.finish.Store(true) }

// Finished is true once everything was published after Finish.
func (a *Aggregator) Finished() bool { return a.finished.Load() }

// fold takes a batch of processed events into their windows and moves those that
// are to be stored to its front: kept of them. The others it sends home.
func (a *Aggregator) fold(refs []event.Ref, now cpu.Ticks) (kept int) {
	n := 0
	for _, r := range refs {
		h := a.slots.At(r)
		a.received[kept+n] = h.Received
		if !isResult(h) && a.add(h, now) && a.windows.Fold {
			if h.Answer != 0 {
				a.Askers.Tell(r.Pool(), h.Answer, wire.Folded, wire.ReasonNone)
			}
			a.homes[n] = r
			n++
			continue
		}
		refs[kept] = r
		kept++
	}
	done := cpu.Now()
	for _, received := range a.received[:kept+n] {
		a.Meter.note(received, now, done)
	}
	a.Meter.flush()
	if n > 0 {
		a.Folded.Add(uint64(n))
		a.slots.Return(a.homes[:n])
	}
	return kept
}

// isResult reports whether the event was made here: it is not folded again.
func isResult(h *event.Header) bool {
	return h.Origin == event.FromPlugin && bytes.HasPrefix(h.Topic(), []byte(WindowTopic))
}

// add counts the event in its window, if it has one.
func (a *Aggregator) add(h *event.Header, now cpu.Ticks) bool {
	at, ok := a.when(h)
	if !ok {
		a.Untimed.Add(1)
		return false
	}
	w := a.window(at)
	if w == nil {
		return false
	}
	if a.dueAt == 0 || a.time != "" {
		a.dueAt = now + a.clock.Ticks(a.patience(w, h))
	}
	payload := h.Payload()
	g := a.aggregate(w, h.Topic())
	g.add(h.Wall, len(payload))
	if g.values == nil {
		return true
	}
	if v, ok := a.value.number(payload); ok {
		g.values.add(v)
	} else {
		g.values.missing++
		a.Missing.Add(1)
	}
	return true
}

// when is the time that an event goes by, in ns since 1970.
func (a *Aggregator) when(h *event.Header) (ns int64, ok bool) {
	if a.time == "" {
		return h.Wall, true
	}
	v, ok := a.time.number(h.Payload())
	at := v * a.unit
	if !ok || at < 0 || at > float64(h.Wall+a.lateness) {
		return 0, false
	}
	return int64(at), true
}

// patience is how long after now, in ns, an event's window ends by itself: at
// its end by the clock, or when no event has come for as long as one could be
// awaited.
func (a *Aggregator) patience(w *window, h *event.Header) int64 {
	if a.time == "" {
		return min(w.end-h.Wall, a.span)
	}
	return a.span + a.lateness
}

// window is the one that an event of the time goes into, or nil.
func (a *Aggregator) window(at int64) *window {
	if at-a.lateness > a.mark {
		a.mark = at - a.lateness
		a.close()
	}
	if n := len(a.open); n > 0 && a.open[n-1].holds(at) {
		return a.open[n-1]
	}
	start := at - at%a.span
	if start+a.span <= a.mark {
		a.Late.Add(1)
		if a.windows.Late == LateApart {
			return nil
		}
		if len(a.open) > 0 {
			return a.open[0]
		}
		start = a.mark - a.mark%a.span
	}
	return a.at(start)
}

// at is the window of that start, which is opened if it is not open. One more
// than can be, for results that nobody takes hold the ended ones open, is the newest.
func (a *Aggregator) at(start int64) *window {
	i, found := slices.BinarySearchFunc(a.open, start, func(w *window, start int64) int {
		return int(min(max(w.start-start, -1), 1))
	})
	switch {
	case found:
		return a.open[i]
	case len(a.open) > latenessMax+1:
		return a.open[len(a.open)-1]
	}
	w := new(window)
	if n := len(a.idle); n > 0 {
		w, a.idle = a.idle[n-1], a.idle[:n-1]
	}
	w.begin(start, start+a.span)
	a.open = slices.Insert(a.open, i, w)
	return w
}

// close ends the windows that end at the mark or before, unless results still wait.
func (a *Aggregator) close() {
	if a.told < len(a.closed) {
		return
	}
	n := 0
	for ; n < len(a.open) && a.open[n].end <= a.mark; n++ {
		a.closed = a.open[n].appendTo(a.closed)
		a.idle = append(a.idle, a.open[n])
	}
	if n == 0 {
		return
	}
	if a.open = slices.Delete(a.open, 0, n); len(a.open) == 0 {
		a.dueAt = 0
	}
}

// expire ends windows though nothing came: by the time of receipt the oldest,
// else all.
func (a *Aggregator) expire(all bool, now cpu.Ticks) {
	w := a.open[0]
	if all {
		w = a.open[len(a.open)-1]
	}
	a.mark = max(a.mark, w.end)
	if a.close(); len(a.open) > 0 {
		a.dueAt = now + a.clock.Ticks(a.span)
	}
}

// due ends windows when their time is over, and publishes results as far as
// there is room; they come back through the lane.
func (a *Aggregator) due(now cpu.Ticks) (work int) {
	finish := a.finish.Load()
	if len(a.open) > 0 && (now >= a.dueAt || finish) {
		a.expire(finish || a.time != "", now)
	}
	for a.told < len(a.closed) && work < batch && a.tell(a.closed[a.told]) {
		a.told++
		work++
	}
	if a.told == len(a.closed) {
		a.closed, a.told = a.closed[:0], 0
		if finish && len(a.open) == 0 {
			a.finished.Store(true)
		}
	}
	return work
}

// tell publishes a result.
func (a *Aggregator) tell(g *aggregate) bool {
	a.payload = g.appendTo(a.payload[:0])
	if !a.publish(WindowTopic+g.topic, a.payload) {
		return false
	}
	a.Results.Add(1)
	if g.topic != "" {
		a.used--
	}
	a.spare = append(a.spare, g)
	return true
}
