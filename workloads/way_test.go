package workloads

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// invented is a trial's notes and samples, from a seed: each stage takes up to
// some thousand ticks of a clock whose tick is no whole number of nanoseconds.
func invented(n int) (cpu.Clock, []note, []metrics.Sample) {
	r := rand.New(rand.NewPCG(7, 7))
	step := func() cpu.Ticks { return cpu.Ticks(r.Uint64N(5000)) }
	notes, samples := make([]note, n), make([]metrics.Sample, n)
	at := cpu.Ticks(1 << 40)
	for i := range notes {
		at += step()
		notes[i] = note{due: at, late: step(), intended: int64(i+1) * 10_000}
		s := &samples[i]
		s.Intended = uint64(notes[i].intended)
		last := at + notes[i].late
		for _, moment := range moments(s) {
			last += step()
			*moment = last
		}
	}
	return cpu.NewClock(2.6543e9), notes, samples
}

// moments are those of a sample, in their order.
func moments(s *metrics.Sample) []*cpu.Ticks {
	return []*cpu.Ticks{&s.Received, &s.Offered, &s.Routed, &s.Taken, &s.Processed, &s.Gathered, &s.Stored}
}

// sums holds every event of a course against its stamps: its four legs are the
// whole, to the nanosecond, and each part is what lies between its moments. It
// says of the first event that it is not so of.
func sums(clock cpu.Clock, c *course, notes []note, samples []metrics.Sample) error {
	for i, w := range c.ways {
		since := func(t cpu.Ticks) int64 { return clock.Ns(t - notes[i].due) }
		whole := since(samples[i].Stored)
		if w.whole() != whole || w.late()+w.arrival()+w.waits()+w.work() != whole {
			return fmt.Errorf("event %d: parts %v sum to %d, it took %d ns", i, w, w.whole(), whole)
		}
		last := clock.Ns(notes[i].late)
		if w.late() != last {
			return fmt.Errorf("event %d: parts %v, the generator was %d ns late", i, w, last)
		}
		for j, m := range moments(&samples[i]) {
			at := since(*m)
			if w[1+j] != at-last || at < last {
				return fmt.Errorf("event %d: part %q took %d ns, its stamps say %d", i, c.parts[1+j].name, w[1+j], at-last)
			}
			last = at
		}
	}
	return nil
}

func joined(t *testing.T, clock cpu.Clock, notes []note, samples []metrics.Sample) *course {
	t.Helper()
	c := newCourse(publishedParts, len(notes))
	c.staged = true
	if wrong := c.publish(clock, notes, samples, 0); wrong != "" {
		t.Fatal(wrong)
	}
	return c
}

// folded is the course of a run with stamps that went well.
func folded(t *testing.T, c *course) Stamped {
	t.Helper()
	trace := metrics.NewStagedTrace(1)
	trace.Stamp(false)
	s, err := stamped(trace, c, func() (string, error) {
		if !trace.Staged() {
			t.Error("the run is without stamps")
		}
		return "", nil
	})
	if err != nil || s.Invalid != "" || trace.Staged() {
		t.Errorf("%q, %v, stamped afterwards: %v", s.Invalid, err, trace.Staged())
	}
	return s
}

// TestStampsStandApart: what the trials with stamps tell is beside the figures of the
// others, never in them, and one that does not count is kept and gives nothing.
func TestStampsStandApart(t *testing.T) {
	clock, notes, samples := invented(5000)
	c := joined(t, clock, notes, samples)
	plain := Outcome{Trial: record.Trial{N: 5000}, Spans: c.spans(nil, nil)}
	for i := range c.ways { // as if the stamps had cost each a microsecond
		c.ways[i][5] += 1000
	}
	with, bad := plain, plain
	good := folded(t, c)
	with.Stamps, bad.Stamps = &good, &Stamped{Invalid: "it was late"}
	whole, other := record.Row{}, record.Row{}
	new(Bench).spanTrials(&whole, 0, []Outcome{plain, with, bad})
	new(Bench).spanTrials(&other, 1, []Outcome{plain, with, bad})
	mean, count := map[string]float64{}, map[string]int64{}
	for _, d := range whole.Distributions {
		mean[d.Name+d.Part], count[d.Name] = d.Mean, d.Count
		mean["all of "+d.Part] += d.Mean
	}
	const name = "intended-stored"
	if count[name] != 15_000 || count[name+record.Stamped] != 5000 || math.Abs(mean[name+record.Stamped]-mean[name]-1000) > 2 {
		t.Errorf("of %d events with a mean of %v, and of %d stamped with %v", count[name], mean[name], count[name+record.Stamped], mean[name+record.Stamped])
	}
	if sum := mean["all of "+record.Leg]; math.Abs(sum/mean[name+record.Stamped]-1) > 0.002 {
		t.Errorf("the legs sum to %v, and the whole of the stamped is %v", sum, mean[name+record.Stamped])
	}
	if n := len(whole.Trials); n != 4 || whole.Trials[3].Invalid != "with stamps: it was late" || len(whole.Valid()) != 3 || len(whole.Waterfalls) != 2 {
		t.Errorf("%d trials, %d waterfalls: %+v", n, len(whole.Waterfalls), whole.Trials[n-1])
	}
	if len(other.Trials) != 3 || len(other.Waterfalls) != 0 || len(other.Distributions) != 1 {
		t.Errorf("the row of a part has %d trials, %d waterfalls and %d distributions", len(other.Trials), len(other.Waterfalls), len(other.Distributions))
	}
}

func TestLegsSumToTheWhole(t *testing.T) {
	clock, notes, samples := invented(50_000)
	c := joined(t, clock, notes, samples)
	if err := sums(clock, c, notes, samples); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.waterfalls() {
		if !slices.ContainsFunc(c.ways, func(w way) bool { return w.whole() == f.Whole }) || length(f) != f.Whole || len(f.Spans) != len(way{}) {
			t.Errorf("%+v is no event of the trial", f)
		}
	}
	for what, plant := range map[string]func(w *way){
		"longer":         func(w *way) { w[4] += 5 },
		"forgotten":      func(w *way) { w[5] = 0 },
		"another's time": func(w *way) { w[2], w[3] = w[3], w[2] },
	} {
		kept := c.ways[777]
		plant(&c.ways[777])
		if sums(clock, c, notes, samples) == nil {
			t.Errorf("a part of event 777 that is %s goes unnoticed: %v for %v", what, c.ways[777], kept)
		}
		c.ways[777] = kept
	}
}

// TestAnEventThatAStageDidNotNote makes the trial invalid: its time would be
// counted as another stage's.
func TestAnEventThatAStageDidNotNote(t *testing.T) {
	for i, stage := range []string{"offered by ingest", "taken by the dispatcher", "taken by its processor", "", "taken by the storer"} {
		if stage == "" { // it is in the event's own header
			continue
		}
		clock, notes, samples := invented(100)
		*moments(&samples[70])[1+i] = 0
		c := newCourse(publishedParts, 100)
		c.staged = true
		if wrong := c.publish(clock, notes, samples, 0); wrong != "event 71 of 100 was stored and never "+stage {
			t.Errorf("%q, want that it was never %s", wrong, stage)
		}
		if c.staged = false; c.publish(clock, notes, samples, 0) != "" || c.ways[70].whole() != clock.Ns(samples[70].Stored-notes[70].due) {
			t.Errorf("without stages the whole is %d: %s", c.ways[70].whole(), c.publish(clock, notes, samples, 0))
		}
	}
}

// TestLegsOfARealRun is the same through the engine.
func TestLegsOfARealRun(t *testing.T) {
	b := small(t)
	if len(b.Allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	r, err := b.newPacedRig(engine.Fused(b.Hot, duty.Spin), standardEvent(event.High, pipelinePayload), forLatency, pacedLeast)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.trace.Stamp(true)
	for range 3 {
		run, err := r.run(b, drive.Schedule{Rate: latencyRate}, pacedLeast)
		if err != nil {
			t.Fatal(err)
		}
		wrong := run.wrong
		if strings.Contains(wrong, "generator itself") {
			continue // a busy machine
		}
		if wrong != "" {
			t.Fatal(wrong)
		}
		if err := sums(b.Clock, r.course, r.generator.notes, r.trace.Samples()); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// sentTo invents what a sender in another process noted and what the engine
// traced, on a line whose rate is not the clock's, with some events out of order.
func sentTo(n int) (line rawLine, stamps []drive.Stamp, samples []metrics.Sample) {
	line = rawLine{cpu.Anchor{Ticks: 1 << 40, Ns: 1e12}, cpu.Anchor{Ticks: 1<<40 + 2e9, Ns: 1e12 + 1e9}}
	r := rand.New(rand.NewPCG(8, 8))
	for i := range n {
		due := int64(1e12) + int64(i)*10_000
		sent := due + r.Int64N(3000)
		received := cpu.Ticks(1<<40 + 2*(sent+r.Int64N(9000)-1e12))
		stamps = append(stamps, drive.Stamp{Due: due, Sent: sent})
		samples = append(samples, metrics.Sample{ID: 1<<40 | uint64(i+1), Intended: uint64(due), Received: received, Offered: received + 20, Routed: received + 60,
			Taken: received + 140, Processed: received + 300, Gathered: received + 320, Stored: received + 500})
	}
	samples[3], samples[9] = samples[9], samples[3]
	return line, stamps, samples
}

func TestLegsOfAnotherProcessSumToTheWhole(t *testing.T) {
	line, stamps, samples := sentTo(20_000)
	clock := cpu.NewClock(2e9)
	c := newCourse(sentParts, len(stamps))
	c.staged = true
	if wrong := c.send(clock, line, stamps, samples); wrong != "" {
		t.Fatal(wrong)
	}
	if !slices.IsSorted(c.due) || len(c.ways) != len(stamps) {
		t.Fatalf("%d ways, in order: %v", len(c.ways), slices.IsSorted(c.due))
	}
	for i, w := range c.ways {
		want := line.at(samples[i].Stored) - stamps[i].Due
		if i != 3 && i != 9 && (w.whole() != want || w.late() != stamps[i].Sent-stamps[i].Due || w != (way{w[0], w[1], 10, 20, 40, 80, 10, 90})) {
			t.Fatalf("event %d: legs %v, want %d in all", i, w, want)
		}
	}
	all := folded(t, c)
	means := map[string]float64{}
	for _, l := range all.Legs {
		means[l.Part] += l.Histogram.Mean()
		means[l.Name] = l.Histogram.Mean()
	}
	for what, want := range map[string]float64{record.Leg: all.Whole.Mean(), record.Wait: means[record.QueueWaits], record.Work: means[record.ServiceTimes]} {
		if math.Abs(means[what]/want-1) > 0.002 {
			t.Errorf("all of %s have a mean of %v, that of which they are the parts %v", what, means[what], want)
		}
	}
	for what, change := range map[string]func([]metrics.Sample){
		"not sent": func(s []metrics.Sample) { s[5].ID += 1 << 20 }, "twice": func(s []metrics.Sample) { s[5] = s[6] },
	} {
		broken := slices.Clone(samples)
		change(broken)
		if wrong := c.send(clock, line, stamps, broken); !strings.Contains(wrong, what) {
			t.Errorf("an event stored that was %s: %q", what, wrong)
		}
	}
}

func TestAnEventOutOfItsTurnIsCaught(t *testing.T) {
	clock, notes, samples := invented(100)
	samples[40], samples[41] = samples[41], samples[40]
	if wrong := newCourse(publishedParts, 100).publish(clock, notes, samples, 0); !strings.Contains(wrong, "event 41 of 100") {
		t.Errorf("two events changed places: %q", wrong)
	}
	clock, notes, samples = invented(100)
	lossy := newCourse(publishedParts, 100)
	if wrong := lossy.publish(clock, notes, slices.Delete(slices.Clone(samples), 30, 33), 3); wrong != "" || len(lossy.ways) != 97 || lossy.due[30] != notes[33].intended-notes[0].intended {
		t.Errorf("three of 100 were lost: %q, %d ways", wrong, len(lossy.ways))
	}
	if wrong := lossy.publish(clock, notes, slices.Delete(slices.Clone(samples), 30, 33), 2); !strings.Contains(wrong, "97 of 100 events were traced, and 2 lost") {
		t.Errorf("three of 100 are missing, and two were lost: %q", wrong)
	}
	if wrong := newCourse(publishedParts, 100).publish(clock, notes, samples[:99], 0); !strings.Contains(wrong, "99 of 100") {
		t.Errorf("an event is missing: %q", wrong)
	}
}

// TestMomentsThatDisagree: a stamp before the one it follows costs no leg below
// zero, and the whole stays what the last one says.
func TestMomentsThatDisagree(t *testing.T) {
	if w := between([...]int64{50, 40, 45, 120, 130, 125, 150, 149}); w != (way{50, 0, 0, 70, 10, 0, 19, 0}) {
		t.Errorf("got %v", w)
	}
}

func TestIntervalsHoldEveryEvent(t *testing.T) {
	clock, notes, samples := invented(10_000) // 100 ms of events
	c := joined(t, clock, notes, samples)
	list, count, last := c.intervals(), int64(0), int64(-1)
	for _, in := range list {
		if count += in.Count; in.StartNs <= last || in.P50 == 0 || in.P99 < in.P50 || in.Max < in.P99 {
			t.Errorf("%+v after one at %d", in, last)
		}
		last = in.StartNs
		hist, err := hdrhistogram.Decode([]byte(in.Encoded))
		if err != nil || hist.TotalCount() != in.Count || hist.Max() != in.Max {
			t.Errorf("its histogram holds %v events: %v", in.Count, err)
		}
	}
	if len(list) != 9 || count != 10_000 { // the last event is due a little before 100 ms
		t.Errorf("%d intervals of %d events, want 9 of 10000", len(list), count)
	}
	c.due[len(c.due)-1] = int64(time.Minute)
	if n := len(c.intervals()); n > intervalsMost {
		t.Errorf("%d intervals of a trial of a minute", n)
	}
}

// TestTrialsBearOutTheirPercentiles: what a line of bench.txt says can be
// computed again from the trial's own histogram.
func TestTrialsBearOutTheirPercentiles(t *testing.T) {
	clock, notes, samples := invented(5000)
	c := joined(t, clock, notes, samples)
	stamps := folded(t, c)
	good := Outcome{Trial: record.Trial{N: 5000}, Spans: c.spans(nil, nil), Stamps: &stamps}
	bad := Outcome{Trial: record.Trial{N: 5000, Invalid: "it was not"}}
	later := good
	later.Spans = slices.Clone(good.Spans)
	later.Spans[0].Began += 1e9
	for i := range good.Spans {
		row := record.Row{}
		new(Bench).spanTrials(&row, i, []Outcome{bad, good, later})
		for j, trial := range row.Trials {
			if j == 0 {
				if trial.Encoded != "" || len(trial.Values) > 0 {
					t.Errorf("an invalid trial has figures: %+v", trial)
				}
				continue
			}
			if checkPercentiles(t, trial); len(trial.Values) != len(quantiles) {
				t.Errorf("a trial of %d events has %v", trial.N, trial.Values)
			}
		}
		if i == 0 && (row.Intervals[0].StartNs != 0 || row.Intervals[len(row.Intervals)-1].StartNs < 1e9 || len(row.Waterfalls) != 2) {
			t.Errorf("intervals from %d to %d, %d waterfalls", row.Intervals[0].StartNs, row.Intervals[len(row.Intervals)-1].StartNs, len(row.Waterfalls))
		}
	}
}

func checkPercentiles(t *testing.T, trial record.Trial) {
	t.Helper()
	hist, err := hdrhistogram.Decode([]byte(trial.Encoded))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range trial.Values {
		if p, ok := judge.PercentileOf(v.Unit); !ok || float64(hist.ValueAtPercentile(p)) != v.Value {
			t.Errorf("%s is %v and the histogram says %d", v.Unit, v.Value, hist.ValueAtPercentile(p))
		}
	}
}

func TestGeneratorIsJudgedByItsOwnLateness(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		run   pacedRun
		valid bool
	}{
		{pacedRun{took: s, wanted: s}, true},
		{pacedRun{took: 30 * ms, wanted: 21 * ms, own: 9 * ms}, true}, // one gap of the host's
		{pacedRun{took: 30 * ms, wanted: 19 * ms, own: 9 * ms}, false},
		{pacedRun{took: s, wanted: s, own: s / 2}, true},           // late, and it caught up
		{pacedRun{took: 2 * s, wanted: s, own: s / 10}, true},      // the engine took no more
		{pacedRun{took: 2 * s, wanted: s, own: 9 * s / 10}, false}, // it measured itself
		{pacedRun{took: s, wanted: s, err: cpu.ErrUnsupported}, false},
	} {
		if got := c.run.judge() == ""; got != c.valid {
			t.Errorf("%+v: valid is %v, want %v", c.run, got, c.valid)
		}
	}
}

// TestLoadOfTrials: medians of the trials that count, the worst pressure of any.
func TestLoadOfTrials(t *testing.T) {
	trial := func(achieved float64, p99 int64, s control.State, wrong string) Outcome {
		return Outcome{Loads: []record.Load{{Offered: 10, Achieved: achieved, P50: 1, P99: p99, State: s.String(), Invalid: wrong}}}
	}
	l := load([]Outcome{trial(8, 30, control.Healthy, ""), trial(0, 0, control.Degraded, "it was not"), trial(9, 10, control.Elevated, ""), trial(10, 20, control.Healthy, "")}, 0)
	if l.Achieved != 9 || l.P99 != 20 || l.State != "DEGRADED" || l.Invalid != "" {
		t.Errorf("%+v", l)
	}
	if l := load([]Outcome{trial(0, 0, control.Healthy, "it was not")}, 0); l.Invalid == "" || l.Achieved != 0 {
		t.Errorf("a point of no trial: %+v", l)
	}
}

// TestPressureOfARun: what was reached before does not count, what is left again does.
func TestPressureOfARun(t *testing.T) {
	p := &pacedRig{rig: &rig{engine: &engine.Engine{Plane: control.NewPlane(control.Default())}}}
	plane := p.engine.Plane
	plane.Override(control.Emergency, time.Now())
	evaluate := func() { plane.Step(control.Sample{Now: time.Now().Add(time.Hour)}) } // beyond what is due next
	go func() {
		for plane.Status().Decision.State != control.Healthy {
			time.Sleep(time.Millisecond)
		}
		evaluate()
	}()
	began := p.relieve()
	if s := p.state(began); s != "" {
		t.Errorf("%s though nobody judged it since", s)
	}
	evaluate()
	plane.Override(control.Critical, time.Now())
	plane.Override(control.Elevated, time.Now())
	plane.Step(control.Sample{Now: time.Now().Add(2 * time.Hour)})
	if s := p.state(began); s != "CRITICAL" {
		t.Errorf("%s, want the worst since", s)
	}
}

func TestKnee(t *testing.T) {
	at := func(offered, achieved float64, p50, p99 int64) record.Load {
		return record.Load{Offered: offered, Achieved: achieved, P50: p50, P99: p99}
	}
	list := []record.Load{at(1e3, 1e3, 500, 900), at(2e3, 2e3, 500, 2e6), at(3e3, 3e3, 900, 3e6), at(4e3, 3.1e3, 900, 4e6), at(5e3, 5e3, 1e6, 5e6)}
	if k := reach(list, byP50); k != 2 {
		t.Errorf("knee by P50 at %d, want 2: of those above, one was not taken and one not in time", k)
	}
	if k := reach(list, byP99); k != 0 {
		t.Errorf("knee by P99 at %d, want 0", k)
	}
	list[0].Invalid = "none"
	if k := reach(list, percentile{of: func(record.Load) int64 { return math.MaxInt64 }}); k != -1 {
		t.Errorf("a knee at %d where no rate was kept", k)
	}
}
