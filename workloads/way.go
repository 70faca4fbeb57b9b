package workloads

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// A way is where one event of an open loop spent its time, in ns, from when it
// was due to when it was stored, part by part. The parts sum to the whole, event
// by event: each is the difference of two moments on one line.
type way [8]int64

func (w way) whole() (ns int64) {
	for _, part := range w {
		ns += part
	}
	return ns
}

// The four legs of a way: how late its sender was, what came between sending and
// receiving, and of the engine's own part, from when the event was received, what
// it waited in queues and what stages worked.
func (w way) late() int64    { return w[0] }
func (w way) arrival() int64 { return w[1] }
func (w way) waits() int64   { return w[3] + w[4] + w[6] }
func (w way) work() int64    { return w[2] + w[5] + w[7] }

// processed and stored are spans of the engine's own part.
func (w way) processed() int64 { return w[2] + w[3] + w[4] + w[5] }
func (w way) stored() int64    { return w.processed() + w[6] + w[7] }

// part names a part of the way, and says what it is.
type part struct{ name, kind string }

// engineFrom is where in a way the engine's own part begins.
const engineFrom = 2

// partsOf is the parts of ways that begin with the two named. To route an event takes
// less than the reads of the counter that would time it: that is within the wait
// in its lane.
func partsOf(late, arrival string) [len(way{})]part {
	return [...]part{{late, record.Wait}, {arrival, record.Wait},
		{"ingest", record.Work}, {"ingest queue", record.Wait}, {"lane", record.Wait}, {"processor", record.Work}, {"store queue", record.Wait}, {"storer", record.Work}}
}

// The parts of an event published in the same process, and of one sent by another.
var (
	publishedParts = partsOf("generator late", "admission")
	sentParts      = partsOf("sender late", "sent to received")
)

// between is the way through moments given in ns after the event was due. A
// moment before the one that it follows, or after the last, is a disagreement of
// clocks, smaller than they resolve, and taken to be the same: the whole is
// always up to the last.
func between(moments [len(way{})]int64) (w way) {
	last, end := int64(0), moments[len(moments)-1]
	for i, at := range moments {
		at = max(min(at, end), last)
		w[i], last = at-last, at
	}
	return w
}

// through is the way of an event that was this late, by the engine's stamps on a
// line that begins when it was due.
func through(late int64, at func(cpu.Ticks) int64, s *metrics.Sample) way {
	return between([...]int64{late, at(s.Received), at(s.Offered), at(s.Routed), at(s.Taken), at(s.Processed), at(s.Gathered), at(s.Stored)})
}

// untraced says which stage did not note an event, where all are to, or "".
func untraced(s *metrics.Sample) string {
	for _, m := range []struct {
		at   cpu.Ticks
		what string
	}{{s.Offered, "offered by ingest"}, {s.Routed, "taken by the dispatcher"}, {s.Taken, "taken by its processor"}, {s.Gathered, "taken by the storer"}} {
		if m.at == 0 {
			return m.what
		}
	}
	return ""
}

// course is the ways of one trial's events, in the order in which they were due.
type course struct {
	parts  [len(way{})]part
	staged bool    // stages note each event, so that all its parts are known; else only the legs' sums are
	began  int64   // ns, CLOCK_MONOTONIC_RAW: when the first was due
	due    []int64 // ns after that
	ways   []way
	found  []int32 // of the events of another process: where in the trace, from 1

	at        func(cpu.Ticks) int64 // the counter on this line, in ns after began
	absences  []absence             // of the loops under way, by their beginnings
	disturbed []bool                // event by event: one was surely away during its life
	longest   int64                 // absence, in ns
	witnessed bool                  // the loops noted their gaps
}

// newCourse has room for as many events. It is used again from trial to trial:
// memory that comes and goes has the runtime work beside the next one.
func newCourse(parts [len(way{})]part, most int) *course {
	return &course{parts: parts, due: make([]int64, 0, most), ways: make([]way, 0, most)}
}

func (c *course) reset(began int64) {
	c.began, c.due, c.ways = began, c.due[:0], c.ways[:0]
	c.absences, c.disturbed, c.witnessed = nil, c.disturbed[:0], false
}

// publish joins what the generator noted of each event with what the engine
// traced. They must be the same events in the same order, but for so many that
// were lost, or it says where not. What the engine made itself was never due, and
// is passed over.
func (c *course) publish(clock cpu.Clock, notes []note, samples []metrics.Sample, lost uint64) (wrong string) {
	samples = slices.DeleteFunc(samples, func(s metrics.Sample) bool { return s.Intended == 0 })
	if uint64(len(notes)) > uint64(len(samples))+lost || len(samples) > len(notes) || len(samples) == 0 {
		return fmt.Sprintf("%d of %d events were traced, and %d lost", len(samples), len(notes), lost)
	}
	c.reset(notes[0].intended)
	first := notes[0].due
	c.at = func(t cpu.Ticks) int64 { return clock.Ns(max(t, first)-first) - clock.Ns(first-min(t, first)) }
	next := 0 // of the samples
	for i, n := range notes {
		if next == len(samples) || samples[next].Intended != uint64(n.intended) {
			if lost == 0 {
				return fmt.Sprintf("event %d of %d was not stored in its turn", i+1, len(notes))
			}
			lost--
			continue
		}
		s := samples[next]
		next++
		at := func(t cpu.Ticks) int64 { return clock.Ns(max(t, n.due) - n.due) }
		if wrong := c.add(n.intended, through(clock.Ns(n.late), at, &s), &s); wrong != "" {
			return fmt.Sprintf("event %d of %d %s", i+1, len(notes), wrong)
		}
	}
	return ""
}

// rawLine turns the counter into CLOCK_MONOTONIC_RAW between two anchors: over a
// trial's time, what the counter's rate is off by would be as long as what is timed.
type rawLine struct{ from, to cpu.Anchor }

func (l rawLine) at(t cpu.Ticks) int64 {
	rate := float64(l.to.Ns-l.from.Ns) / float64(l.to.Ticks-l.from.Ticks)
	return l.from.Ns + int64(float64(int64(t-l.from.Ticks))*rate)
}

// uncertainty is how far off a moment may be, in ns.
func (l rawLine) uncertainty(clock cpu.Clock) int64 {
	return clock.Ns(max(l.from.Width, l.to.Width)) / 2
}

// send joins what the sender noted of each event with what the engine traced. It
// is another process, and CLOCK_MONOTONIC_RAW is what both have in common. Events
// are found by the number in their ids: datagrams may have been lost or overtaken.
func (c *course) send(clock cpu.Clock, raw rawLine, stamps []drive.Stamp, samples []metrics.Sample) (wrong string) {
	c.reset(stamps[0].Due)
	c.at = func(t cpu.Ticks) int64 { return raw.at(t) - c.began }
	c.found = append(c.found[:0], make([]int32, len(stamps))...)
	for i, s := range samples {
		number := int64(s.ID&eventNumber) - 1
		if number < 0 || number >= int64(len(stamps)) || stamps[number].Due != int64(s.Intended) {
			return fmt.Sprintf("an event was stored that was not sent: id %#x, due at %d", s.ID, s.Intended)
		}
		if c.found[number] != 0 {
			return fmt.Sprintf("event %d was stored twice", number)
		}
		c.found[number] = int32(i + 1)
	}
	for number, i := range c.found {
		if i == 0 { // lost, which is told elsewhere
			continue
		}
		s, stamp := &samples[i-1], stamps[number]
		received := raw.at(s.Received) - stamp.Due
		at := func(t cpu.Ticks) int64 { return received + clock.Ns(max(t, s.Received)-s.Received) }
		if wrong := c.add(stamp.Due, through(stamp.Sent-stamp.Due, at, s), s); wrong != "" {
			return fmt.Sprintf("event %d %s", number, wrong)
		}
	}
	return ""
}

// add takes up an event, unless it is wrong that stages did not note it.
func (c *course) add(due int64, w way, s *metrics.Sample) (wrong string) {
	if what := untraced(s); c.staged && what != "" {
		return "was stored and never " + what
	}
	c.due, c.ways = append(c.due, due-c.began), append(c.ways, w)
	return ""
}

// eventNumber is the part of an id that counts a producer's events, from 1.
const eventNumber = 1<<40 - 1

// spans folds the course into its distributions. The whole way comes first and
// has what belongs to it: latency over time, and its outliers.
func (c *course) spans(processed, stored []string) []Span {
	all := []Span{
		{Name: "intended-stored", Began: c.began, Intervals: c.intervals(), Outliers: c.outliers()},
		{Name: "received-processed", Targets: processed},
		{Name: "received-stored", Targets: stored},
	}
	for i, part := range []func(way) int64{way.whole, way.processed, way.stored} {
		all[i].Histogram, all[i].Undisturbed = c.distribution(part), c.undisturbed(part)
	}
	return all
}

// stamped is a trial in which stages note every event, folded.
func stamped(t *metrics.Trace, c *course, run func() (wrong string, err error)) (s Stamped, err error) {
	t.Stamp(true)
	defer t.Stamp(false)
	if s.Invalid, err = run(); err == nil && s.Invalid == "" {
		s.Whole, s.Legs, s.Waterfalls = c.distribution(way.whole), c.legs(), c.waterfalls()
	}
	return s, err
}

// legs is the four legs of the whole, then the parts of the two that are the engine's.
func (c *course) legs() []Leg {
	list := []Leg{
		{c.parts[0].name, record.Leg, c.distribution(way.late)}, {c.parts[1].name, record.Leg, c.distribution(way.arrival)},
		{record.QueueWaits, record.Leg, c.distribution(way.waits)}, {record.ServiceTimes, record.Leg, c.distribution(way.work)},
	}
	for i, p := range c.parts[engineFrom:] {
		list = append(list, Leg{p.name, p.kind, c.distribution(func(w way) int64 { return w[engineFrom+i] })})
	}
	return list
}

func (c *course) distribution(part func(way) int64) *hdrhistogram.Histogram {
	h := newHistogram()
	for _, w := range c.ways {
		recordLatency(h, part(w))
	}
	return h
}

// A trial is parted into intervals of one length, at least so long that they
// bear out a P99 at the rates used here, and not too many of them.
const (
	intervalLeast = 10_000_000 // ns
	intervalsMost = 16
)

// intervals is the whole latency over the time of the trial, by when events
// were due. StartNs is after the trial's first.
func (c *course) intervals() (list []record.Interval) {
	total := c.due[len(c.due)-1] + 1
	parts := min(max(total/intervalLeast, 1), intervalsMost)
	length := (total + parts - 1) / parts
	hist := newHistogram()
	for i, w := range c.ways {
		recordLatency(hist, w.whole())
		part := c.due[i] / length
		if i+1 < len(c.ways) && c.due[i+1]/length == part {
			continue
		}
		list = append(list, newInterval(hist, part*length, length))
		hist.Reset()
	}
	return list
}

func newInterval(hist *hdrhistogram.Histogram, start, length int64) record.Interval {
	in := record.Interval{Name: "intended-stored", StartNs: start, Ns: length, Count: hist.TotalCount(), Max: hist.Max(), Encoded: encoded(hist)}
	highest := judge.MaxPercentile(in.Count)
	if highest >= 50 {
		in.P50 = hist.ValueAtPercentile(50)
	}
	if highest >= 99 {
		in.P99 = hist.ValueAtPercentile(99)
	}
	return in
}

// waterfalls are the ways of two real events: the one in the middle of all by
// its whole latency, and the one at the P99.9 where there are events enough.
func (c *course) waterfalls() []record.Waterfall {
	order := slices.Clone(c.ways)
	slices.SortFunc(order, func(a, b way) int { return cmp.Compare(a.whole(), b.whole()) })
	list := []record.Waterfall{c.waterfall("typical", order[len(order)/2])}
	if judge.MaxPercentile(int64(len(order))) >= 99.9 {
		list = append(list, c.waterfall("p99.9", order[len(order)*999/1000]))
	}
	return list
}

func (c *course) waterfall(name string, w way) record.Waterfall {
	f := record.Waterfall{Name: name, Whole: w.whole()}
	for i, p := range c.parts {
		f.Spans = append(f.Spans, record.Span{Stage: p.name, Kind: p.kind, Ns: w[i]})
	}
	return f
}

// late is how late the generator itself was, as figures beside a trial: they
// say what part of the latency is its own.
func (c *course) late() []record.Value {
	hist := c.distribution(way.late)
	return debt(hist.ValueAtPercentile(50), hist.ValueAtPercentile(99))
}

func debt(p50, p99 int64) []record.Value {
	return []record.Value{value("debt-p50-ns", float64(p50)), value("debt-p99-ns", float64(p99))}
}
