package process

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// result is what a window says of a topic.
type result struct {
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
}

// collector takes results while it has room.
type collector struct {
	t       *testing.T
	room    int
	results []result
}

func (c *collector) publish(topic string, payload []byte) bool {
	if c.room == 0 {
		return false
	}
	c.room--
	r := result{Topic: topic}
	if err := json.Unmarshal(payload, &r); err != nil {
		c.t.Errorf("%s: %v", payload, err)
	}
	c.results = append(c.results, r)
	return true
}

// aggregating is a processor of the BATCH lane with windows of a second.
func aggregating(t *testing.T, w Windows) (*bench, *Processor, *Batches, *collector) {
	b, c := newBench(t), &collector{t: t, room: 1000}
	p := NewProcessor(b.bus, event.LaneBatch, b.slots, b.chute, nanoClock)
	return b, p, p.Aggregate(w, nil, c.publish), c
}

// at hands the lane an event of a topic, received at a time.
func (b *bench) at(t *testing.T, topic string, wall time.Duration) {
	r := b.event(t, 1, 1)
	h := b.slots.At(r)
	h.Wall, h.Origin = int64(wall), event.FromTCP
	h.Fill([]byte(topic), []byte("1234"))
	b.bus.Routed[event.LaneBatch].Hand([]event.Ref{r})
}

func TestWindowsTumble(t *testing.T) {
	b, p, w, c := aggregating(t, Windows{Span: time.Second, Topics: 10})
	for _, ms := range []int{10_100, 10_300, 10_900} {
		b.at(t, "a", time.Duration(ms)*time.Millisecond)
	}
	b.at(t, "b", 10_950*time.Millisecond)
	p.Step(0)
	if p.Step(1); len(c.results) != 0 {
		t.Fatalf("results before the window's end: %+v", c.results)
	}
	b.at(t, "a", 11_000*time.Millisecond) // behind its end
	b.at(t, "a", 10_999*time.Millisecond) // late: in the window that is open
	p.Step(2)
	p.Step(3)
	slices.SortFunc(c.results, func(x, y result) int { return int(y.Count) - int(x.Count) })
	ms := func(n int64) int64 { return n * 1e6 }
	want := []result{
		{"$window/a", ms(10_000), ms(11_000), 3, 12, ms(200), ms(600), ms(400), c.results[0].P50, ms(600)},
		{Topic: "$window/b", Start: ms(10_000), End: ms(11_000), Count: 1, Bytes: 4},
	}
	if !slices.Equal(c.results, want) {
		t.Errorf("got  %+v\nwant %+v", c.results, want)
	}
	if p50 := c.results[0].P50; p50 < ms(200) || p50 > ms(225) {
		t.Errorf("median gap %d, want 200 ms and 12.5 %% at most more", p50)
	}
	if w.Late.Load() != 1 {
		t.Errorf("%d late, want 1", w.Late.Load())
	}
	p.Step(4 + cpu.Ticks(time.Second)) // its time is over, though nothing comes
	if last := c.results[len(c.results)-1]; len(c.results) != 3 || last.Count != 2 || last.Start != ms(11_000) {
		t.Errorf("%d results, the last %+v; want a third, of 2 events", len(c.results), last)
	}
	if out := b.bus.Processed[event.LaneBatch].Len(); out != 6 {
		t.Errorf("%d events went on to the store, want all 6", out)
	}
}

// TestFoldedEventsGoHome, and results do not.
func TestFoldedEventsGoHome(t *testing.T) {
	b, p, w, _ := aggregating(t, Windows{Span: time.Second, Topics: 10, Fold: true})
	for range 5 {
		b.at(t, "a", time.Second)
	}
	r := b.event(t, 9, 1)
	b.slots.At(r).Origin = event.FromPlugin
	b.slots.At(r).Fill([]byte("$window/a"), []byte("{}"))
	b.bus.Routed[event.LaneBatch].Hand([]event.Ref{r})
	p.Step(0)
	out := make([]event.Ref, 8)
	if n := b.bus.Processed[event.LaneBatch].PopBatch(out); n != 1 || out[0] != r || w.Folded.Load() != 5 || b.pool.Reclaim() != 5 {
		t.Errorf("%d went on, %d folded; want the result alone, and 5 slots home", n, w.Folded.Load())
	}
}

// TestWindowsAreBounded: topics beyond the bound share a result, and a window
// whose results find no room holds the next one open.
func TestWindowsAreBounded(t *testing.T) {
	b, p, w, c := aggregating(t, Windows{Span: time.Second, Topics: 3})
	c.room = 0
	for i := range 10 {
		b.at(t, fmt.Sprint("topic", i), time.Second)
	}
	p.Step(0)
	b.at(t, "a", 2*time.Second)
	b.at(t, "a", 3*time.Second)
	p.Step(1)
	c.room = 100
	p.Step(2)
	w.Finish()
	for range 3 {
		p.Step(3)
	}
	counts := map[string]uint64{}
	for _, r := range c.results {
		counts[r.Topic] += r.Count
	}
	if len(c.results) != 5 || counts["$window/"] != 7 || counts["$window/a"] != 2 || !w.Finished() {
		t.Errorf("%d results, counts %v; want three topics, 7 of others, then 2 of a", len(c.results), counts)
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
