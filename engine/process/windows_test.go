package process

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// told is what a result says of a topic.
type told struct {
	Topic string
	Start int64 `json:"start_ns"`
	End   int64 `json:"end_ns"`
	Count uint64
	Bytes uint64
	Min   int64 `json:"gap_min_ns"`
	Max   int64 `json:"gap_max_ns"`
	Mean  int64 `json:"gap_mean_ns"`
	P50   int64 `json:"gap_p50_ns"`
	P99   int64 `json:"gap_p99_ns"`

	Values  uint64  `json:"value_count"`
	Missing uint64  `json:"value_missing"`
	Least   float64 `json:"value_min"`
	Most    float64 `json:"value_max"`
	Average float64 `json:"value_mean"`
	Median  float64 `json:"value_p50"`
}

// collector takes results while it has room.
type collector struct {
	t       *testing.T
	room    int
	results []told
}

func (c *collector) publish(topic string, payload []byte) bool {
	if c.room == 0 {
		return false
	}
	c.room--
	r := told{Topic: topic}
	if err := json.Unmarshal(payload, &r); err != nil {
		c.t.Errorf("%s: %v", payload, err)
	}
	c.results = append(c.results, r)
	return true
}

// aggregating is a storer with windows, which must be valid.
func aggregating(t *testing.T, w Windows) (*bench, *Storer, *collector) {
	t.Helper()
	if w.Topics == 0 {
		w.Topics = 10
	}
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	b, c := newBench(t), &collector{t: t, room: 1000}
	s := NewStorer(b.bus, b.slots, b.chute, b.log, nanoClock, nil)
	s.Windows = NewAggregator(w, b.slots, nanoClock, c.publish)
	return b, s, c
}

// at is an event of a topic, received at a time and processed.
func (b *bench) at(t *testing.T, topic string, wall time.Duration, payload string) {
	t.Helper()
	r := b.event(t, 1, 1)
	h := b.slots.At(r)
	h.Wall, h.Origin = int64(wall), event.FromTCP
	h.Fill([]byte(topic), []byte(payload))
	b.bus.Processed[event.LaneBatch].Hand([]event.Ref{r})
}

func ms(n int64) int64 { return n * 1e6 }

func TestWindowsTumble(t *testing.T) {
	b, s, c := aggregating(t, Windows{Span: time.Second})
	for _, ms := range []int{10_100, 10_300, 10_900} {
		b.at(t, "a", time.Duration(ms)*time.Millisecond, "1234")
	}
	b.at(t, "b", 10_950*time.Millisecond, "1234")
	s.Step(0)
	if s.Step(1); len(c.results) != 0 {
		t.Fatalf("results before the window's end: %+v", c.results)
	}
	b.at(t, "a", 11_000*time.Millisecond, "1234") // behind its end
	b.at(t, "a", 10_999*time.Millisecond, "1234") // late: in the window that is open
	s.Step(2)
	s.Step(3)
	slices.SortFunc(c.results, func(x, y told) int { return int(y.Count) - int(x.Count) })
	want := []told{
		{Topic: "$window/a", Start: ms(10_000), End: ms(11_000), Count: 3, Bytes: 12, Min: ms(200), Max: ms(600), Mean: ms(400), P50: c.results[0].P50, P99: ms(600)},
		{Topic: "$window/b", Start: ms(10_000), End: ms(11_000), Count: 1, Bytes: 4},
	}
	if !slices.Equal(c.results, want) {
		t.Errorf("got  %+v\nwant %+v", c.results, want)
	}
	if p50 := c.results[0].P50; p50 < ms(200) || p50 > ms(225) {
		t.Errorf("median gap %d, want 200 ms and 12.5 %% at most more", p50)
	}
	if late := s.Windows.Late.Load(); late != 1 {
		t.Errorf("%d late, want 1", late)
	}
	s.Step(4 + cpu.Ticks(time.Second)) // its time is over, though nothing comes
	if last := c.results[len(c.results)-1]; len(c.results) != 3 || last.Count != 2 || last.Start != ms(11_000) {
		t.Errorf("%d results, the last %+v; want a third, of 2 events", len(c.results), last)
	}
	if len(b.log.ids) != 6 {
		t.Errorf("%d events went into the log, want all 6", len(b.log.ids))
	}
}

// TestAClockThatIsSetBack costs lateness, and no window stays open for it.
func TestAClockThatIsSetBack(t *testing.T) {
	b, s, c := aggregating(t, Windows{Span: time.Second})
	now, count := cpu.Ticks(0), uint64(0)
	for i := range 40 {
		wall := time.Hour + time.Duration(i)*time.Second/4
		if i > 10 {
			wall -= 30 * time.Minute
		}
		b.at(t, "a", wall, "")
		now += cpu.Ticks(time.Second / 4)
		s.Step(now)
	}
	s.Windows.Finish()
	s.Step(now)
	last := int64(0)
	for _, r := range c.results {
		if r.Start < last || r.End-r.Start != ms(1000) {
			t.Errorf("window from %d to %d behind one that ended at %d", r.Start, r.End, last)
		}
		last = r.End
		count += r.Count
	}
	if len(c.results) < 8 || count != 40 || s.Windows.Late.Load() != 29 {
		t.Errorf("%d results of %d events, %d late; want 8 or more of 40, and 29", len(c.results), count, s.Windows.Late.Load())
	}
}

// TestFoldedEventsGoHome, and results do not.
func TestFoldedEventsGoHome(t *testing.T) {
	b, s, _ := aggregating(t, Windows{Span: time.Second, Fold: true})
	for range 5 {
		b.at(t, "a", time.Second, "1234")
	}
	r := b.event(t, 9, 1)
	b.slots.At(r).Origin = event.FromPlugin
	b.slots.At(r).Fill([]byte("$window/a"), []byte("{}"))
	b.bus.Processed[event.LaneBatch].Hand([]event.Ref{r})
	if work := s.Step(0); work != 6 {
		t.Errorf("a step that folded 5 events and stored 1 reports %d", work)
	}
	if len(b.log.ids) != 1 || b.log.ids[0] != 9 || s.Windows.Folded.Load() != 5 || b.pool.Reclaim() != 6 {
		t.Errorf("events %v stored, %d folded; want the result alone, and 6 slots home", b.log.ids, s.Windows.Folded.Load())
	}
}

// TestWindowsAreBounded: topics beyond the bound share a result, and a window
// whose results find no room holds none up but the topics it has.
func TestWindowsAreBounded(t *testing.T) {
	b, s, c := aggregating(t, Windows{Span: time.Second, Topics: 3})
	c.room = 0
	for i := range 10 {
		b.at(t, fmt.Sprint("topic", i), time.Second, "1234")
	}
	for second := range 30 {
		b.at(t, "a", time.Duration(2+second)*time.Second, "1234")
		s.Step(1)
	}
	if open := len(s.Windows.open); open > latenessMax+2 {
		t.Errorf("%d windows are open", open)
	}
	c.room = 1000
	s.Windows.Finish()
	for range 10 {
		s.Step(3)
	}
	counts := map[string]uint64{}
	for _, r := range c.results {
		counts[r.Topic] += r.Count
	}
	if counts["$window/"]+counts["$window/a"] != 7+30 || counts["$window/topic0"] != 1 || !s.Windows.Finished() {
		t.Errorf("%d results, counts %v; want three topics, and 37 of others", len(c.results), counts)
	}
	if s.Windows.used != 0 {
		t.Errorf("%d topics in use in the end", s.Windows.used)
	}
}

// TestWindowsByEventTime: out of order within the lateness, late behind it, and
// in no window without a time that can be.
func TestWindowsByEventTime(t *testing.T) {
	for _, late := range []LatePolicy{LateOpen, LateApart} {
		b, s, c := aggregating(t, Windows{Span: time.Second, Fold: true, TimeField: "at", TimeUnit: TimeUnit(time.Millisecond), Lateness: 2 * time.Second, Late: late})
		for _, at := range []string{"10_100", "9_000", "11_500", "10_900", "12_999", "10_999"} {
			b.at(t, "a", time.Hour, `{"x":[{"at":1}],"at":`+strings.ReplaceAll(at, "_", "")+"}")
		}
		if s.Step(1); len(c.results) != 1 || c.results[0].Start != ms(9_000) {
			t.Fatalf("%+v closed when 12.999 s had come, want the window that began at 9 s", c.results)
		}
		b.at(t, "a", time.Hour, `{"at":13000}`)   // 10 s to 11 s ends
		b.at(t, "a", time.Hour, `{"at":10500}`)   // late
		b.at(t, "a", time.Hour, `{"at":3602001}`) // further ahead of its receipt than can be
		b.at(t, "a", time.Hour, `{"at":-1}`)      // before 1970
		b.at(t, "a", time.Hour, `{"at":"13000"}`) // no number
		s.Step(2)
		s.Step(3)
		if last := c.results[len(c.results)-1]; len(c.results) != 2 || last.Start != ms(10_000) || last.Count != 3 {
			t.Fatalf("%+v, want the second window, of 3 events", c.results)
		}
		if w := s.Windows; w.Late.Load() != 1 || w.Untimed.Load() != 3 {
			t.Errorf("%d late and %d without a time, want 1 and 3", w.Late.Load(), w.Untimed.Load())
		}
		stored, at11 := 3, uint64(2)
		if late == LateApart {
			stored, at11 = 4, 1
		}
		if len(b.log.ids) != stored {
			t.Errorf("late %v: %d events stored, want those in no window, %d", late, len(b.log.ids), stored)
		}
		if s.Step(2 + cpu.Ticks(3*time.Second)); len(c.results) != 2 { // one Step ends them, and tells
			s.Step(3 + cpu.Ticks(3*time.Second))
		}
		if len(c.results) != 5 || c.results[2].Start != ms(11_000) || c.results[2].Count != at11 || c.results[4].Start != ms(13_000) {
			t.Errorf("late %v: %+v, want three windows more when nothing came for a span and the lateness", late, c.results[2:])
		}
	}
}

// TestWindowsOfAValue: what has none is counted.
func TestWindowsOfAValue(t *testing.T) {
	b, s, c := aggregating(t, Windows{Span: time.Second, ValueField: "v"})
	for round := range 2 { // the second time in memory that the first has used
		for _, v := range []string{`{"v":1.5}`, `{"a":{"v":9},"v":-2}`, `{"v":"3"}`, `{}`, `no`, `{"v":4e0}`} {
			b.at(t, "a", time.Duration(1+round)*time.Second, v)
		}
		s.Step(1)
	}
	s.Windows.Finish()
	s.Step(2)
	if len(c.results) != 2 {
		t.Fatalf("%d results, want 2", len(c.results))
	}
	for _, r := range c.results {
		if r.Count != 6 || r.Values != 3 || r.Missing != 3 || r.Least != -2 || r.Most != 4 || math.Abs(r.Average-3.5/3) > 1e-9 || r.Median < 1.5 || r.Median > 1.6875 {
			t.Errorf("%+v, want 3 values of 6, from -2 to 4, of a mean of 1.17 and a median of 1.5", r)
		}
	}
	if s.Windows.Missing.Load() != 6 {
		t.Errorf("%d events without a value, want 6", s.Windows.Missing.Load())
	}
}

func TestWindowsValidate(t *testing.T) {
	for want, change := range map[string]func(*Windows){
		"":               func(*Windows) {},
		"100ms to 1h":    func(w *Windows) { w.Span = time.Millisecond },
		"1 to 65536":     func(w *Windows) { w.Topics = 0 },
		"4 spans":        func(w *Windows) { w.Lateness = 21 * time.Second },
		"use s, ms":      func(w *Windows) { w.TimeField, w.TimeUnit = "t", 7 },
		"late policy":    func(w *Windows) { w.Late = 2 },
		"bytes of UTF-8": func(w *Windows) { w.ValueField = strings.Repeat("v", 257) },
	} {
		w := DefaultWindows()
		change(&w)
		if err := w.Validate(); !strings.Contains(fmt.Sprint(err), want) || want == "" && err != nil {
			t.Errorf("%+v: %v, want %q", w, err, want)
		}
	}
}

// TestAggregatingAllocatesNothing once the windows have their topics.
func TestAggregatingAllocatesNothing(t *testing.T) {
	b, s, _ := aggregating(t, Windows{Span: time.Hour, ValueField: "v", TimeField: "at", TimeUnit: TimeUnit(time.Second), Fold: true})
	if testing.AllocsPerRun(100, func() { r, _ := b.pool.Acquire(100); b.pool.Release(r) }) > 0 {
		t.Skip("checked builds keep the pool's accounts on the heap")
	}
	payload := []byte(`{"at":100.25,"v":12.75}`)
	refs := make([]event.Ref, 1)
	if n := testing.AllocsPerRun(1000, func() {
		refs[0] = b.event(t, 1, 1)
		h := b.slots.At(refs[0])
		h.Wall = int64(time.Hour)
		h.Fill([]byte("a"), payload)
		b.bus.Processed[event.LaneBatch].Hand(refs)
		s.Step(0)
		b.pool.Reclaim()
	}); n != 0 || s.Windows.Folded.Load() < 1000 {
		t.Errorf("%v allocations an event of %d folded, want 0", n, s.Windows.Folded.Load())
	}
}

// TestSpreadsAgreeWithSorting is the distribution against its dumb twin.
func TestSpreadsAgreeWithSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		var s spread
		all := make([]float64, 1+random.IntN(500))
		low := random.IntN(40) - 19
		for i := range all {
			all[i] = math.Ldexp(random.Float64()+0.5, low+random.IntN(20)) * float64(1-2*random.IntN(2))
			s.add(all[i])
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := all[max(int(q*float64(len(all))+0.5), 1)-1]
			if got := s.quantile(q); got < want || got-want > 0.125*math.Abs(want)+1e-6 {
				t.Fatalf("%v of %d values: %g, want %g and an eighth at most more", q, len(all), got, want)
			}
		}
	}
	var s spread
	for _, v := range []float64{0, 1e300, -1e300, 1e-300, math.Copysign(0, -1)} {
		s.add(v)
	}
	if s.quantile(0.2) < -1e300 || s.quantile(0.2) > -1e12 || s.quantile(0.5) != 0 || s.quantile(1) != 1e300 {
		t.Errorf("beyond the buckets: %g, %g and %g", s.quantile(0.2), s.quantile(0.5), s.quantile(1))
	}
}

// TestGapsAgreeWithSorting is the histogram against its dumb twin.
func TestGapsAgreeWithSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var g gaps
		all := make([]int64, 1+random.IntN(500))
		for i := range all {
			all[i] = random.Int64N(1 << (1 + random.IntN(41)))
			g.add(all[i])
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := all[max(int(q*float64(len(all))+0.5), 1)-1]
			if got := g.quantile(q); got < want || float64(got) > 1.125*float64(want)+1 {
				t.Fatalf("%v of %d gaps: %d, want %d and an eighth at most more", q, len(all), got, want)
			}
		}
		if g.min != all[0] || g.max != all[len(all)-1] {
			t.Fatalf("from %d to %d, want %d to %d", g.min, g.max, all[0], all[len(all)-1])
		}
	}
}
