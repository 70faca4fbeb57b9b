package workloads

import (
	"math/rand/v2"
	"slices"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// evenly is a course of n events, one due each 10 us and stored 500 ns later,
// but where change says otherwise.
func evenly(n int, change func(i int, w *way)) *course {
	c := newCourse(publishedParts, n)
	c.reset(0)
	for i := range n {
		w := way{20, 80, 40, 50, 60, 150, 60, 40}
		if change != nil {
			change(i, &w)
		}
		c.due, c.ways = append(c.due, int64(i)*10_000), append(c.ways, w)
	}
	return c
}

// TestUndisturbedLeavesOutWhatMetAGap: a gap of the engine over events 10 to 12.
// They are left out of every part of the way, for what came behind the gap came
// because of it.
func TestUndisturbedLeavesOutWhatMetAGap(t *testing.T) {
	c := evenly(100, func(i int, w *way) {
		if i >= 10 && i <= 12 { // all wait for the end, at 125 us
			w[1] = 125_000 - int64(i)*10_000 - w[0]
		}
	})
	c.witness([]absence{{from: 99_000, to: 125_000, role: "engine", cause: probes.CauseTask, sure: true}})
	for i, want := range []int64{97, 97, 97} {
		if s := c.spans(nil, nil)[i]; s.Undisturbed.TotalCount() != want || s.Histogram.TotalCount() != 100 {
			t.Errorf("%s: %d of %d undisturbed, want %d", s.Name, s.Undisturbed.TotalCount(), s.Histogram.TotalCount(), want)
		}
	}
	if calm := c.spans(nil, nil)[0].Undisturbed; calm.Max() > 501 {
		t.Errorf("undisturbed to %d ns, want 500", calm.Max())
	}
}

// TestWhatIsNotSureDisturbsNothing: a long round with work in hand may be the
// engine's own doing, and flatters nobody.
func TestWhatIsNotSureDisturbsNothing(t *testing.T) {
	c := evenly(100, nil)
	c.witness([]absence{{from: 0, to: 1_000_000, role: "engine", cause: causeLong}})
	if calm := c.spans(nil, nil)[0].Undisturbed; calm.TotalCount() != 100 {
		t.Errorf("%d of 100 undisturbed", calm.TotalCount())
	}
	if s := evenly(100, nil).spans(nil, nil)[0]; s.Undisturbed != nil {
		t.Error("nobody watched, and yet it is known what was disturbed")
	}
}

// TestOutliersHaveCauses: one event each that a gap, a long round and nothing
// explain, and a queue behind a gap.
func TestOutliersHaveCauses(t *testing.T) {
	c := evenly(1000, func(i int, w *way) {
		switch {
		case i == 100, i == 300, i == 500:
			w[2] = 7_740
		case i >= 700 && i < 705: // the first meets the gap, the others wait behind it
			w[1] = 47_000 - int64(i-700)*9_000
		}
	})
	c.witness([]absence{
		{from: 1_000_500, to: 1_007_000, role: "engine", cause: probes.CauseRuntime, sure: true},
		{from: 3_000_500, to: 3_007_000, role: "engine", cause: causeLong},
		{from: 6_999_000, to: 7_009_000, role: "generator", cause: probes.CauseHost, sure: true},
	})
	got := c.outliers()
	want := []record.Outlier{
		{At: 1_000_000, Events: 1, Ns: 8_200, Cause: "engine: go runtime"},
		{At: 3_000_000, Events: 1, Ns: 8_200, Cause: "engine: a long round with work in hand"},
		{At: 5_000_000, Events: 1, Ns: 8_200, Cause: record.Unexplained},
		{At: 7_000_000, Events: 5, Ns: 47_420, Cause: "generator: interrupt or host"},
	}
	for i := range got {
		if (got[i].Evidence == "") != (got[i].Cause == record.Unexplained) {
			t.Errorf("%+v: evidence", got[i])
		}
		got[i].Evidence = ""
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v\nwant\n%+v", got, want)
	}
	row := record.Row{}
	outliersOf(&row, []Span{{Outliers: got}, {Outliers: got[:1]}})
	if b := row.Blames; len(b) != 4 || b[0] != (record.Blame{Cause: "generator: interrupt or host", Outliers: 1, Events: 5, Longest: 47_420}) || b[1].Outliers != 2 {
		t.Errorf("blames %+v", b)
	}
	if row.Outliers[0].Events != 5 || row.Outliers[0].Trial != 1 || row.Outliers[len(row.Outliers)-1].Ns != 8_200 {
		t.Errorf("kept %+v", row.Outliers)
	}
}

// TestTouchesAgainstAllPairs holds the search to the dumbest comparison.
func TestTouchesAgainstAllPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var list []absence
		at := int64(-50)
		for range r.IntN(12) {
			at += r.Int64N(30)
			list = append(list, absence{from: at, to: at + 1 + r.Int64N(40), sure: r.IntN(4) > 0})
		}
		union := shadow(list)
		from := r.Int64N(300) - 100
		to := from + r.Int64N(50)
		want := false
		for _, a := range list {
			want = want || a.sure && a.from < to && a.to > from
		}
		if got := touches(union, from, to); got != want {
			t.Fatalf("%v, life %d to %d: %v, want %v", list, from, to, got, want)
		}
	}
}

// TestMarksPartTrials: a strip has the gaps after the mark, on its own time.
func TestMarksPartTrials(t *testing.T) {
	clock := cpu.NewClock(1e9)
	w := loopWatch{role: "engine", on: 3, gaps: metrics.NewGaps(clock, 8)}
	now := cpu.Now()
	w.gaps.Round(now-100_080, false)
	w.gaps.Round(now-100_000, false)
	w.gaps.Round(now-50_000, false) // before the mark
	m := w.mark()
	w.gaps.Round(m.at+1_000, false)
	w.gaps.Round(m.at+9_000, false)
	var s record.Strip
	w.lengthenStrip(&s, m, suspects{clock: clock, guest: true})
	if len(s.Gaps) == 1 { // whatever this thread met meanwhile
		s.Gaps[0].Cause = ""
	}
	if s.Name != "engine" || s.CPU != 3 || s.Count != 1 || s.Lost != 8_000 || len(s.Gaps) != 1 || s.Gaps[0] != (record.Gap{At: 1_000, Ns: 8_000}) {
		t.Errorf("%+v", s)
	}
}

// TestLoopsNoteTheirGaps runs the engine: both of its loops are watched, and
// what is disturbed is a share.
func TestLoopsNoteTheirGaps(t *testing.T) {
	b := small(t)
	if len(b.Allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	rows, err := b.Measure([]Workload{{Name: "pipeline", Cells: func(b *Bench) []Cell {
		return []Cell{{Threads: 2, Open: func(b *Bench) (Trial, error) {
			return pacing(b, event.LaneRealtime, b.schedules(latencyRate)[0], standardEvent(event.High, pipelinePayload))
		}}}
	}}}, never)
	if err != nil {
		t.Fatal(err)
	}
	row := rows[0]
	if len(row.Strips) != 2 || row.Strips[0].Name != "engine" || row.Strips[1].Name != "generator" || row.Strips[0].Ns <= 0 {
		t.Errorf("strips %+v", row.Strips)
	}
	for _, trial := range row.Valid() {
		i := slices.IndexFunc(trial.Noise, func(v record.Value) bool { return v.Unit == "disturbed-share" })
		if i < 0 || trial.Noise[i].Value < 0 || trial.Noise[i].Value > 1 {
			t.Errorf("noise %v", trial.Noise)
		}
	}
	if d := row.Distributions; len(row.Valid()) > 0 && (len(d) < 2 || d[1].Name != d[0].Name+record.Undisturbed || d[1].Count > d[0].Count) {
		t.Errorf("distributions %v", d)
	}
}

// TestAStopIsNoTask: what a stopped process lost is laid to the signal.
func TestAStopIsNoTask(t *testing.T) {
	gaps := []metrics.Gap{{From: 1_000, To: 9_000, Forced: 1}, {From: 20_000, To: 150_020_000, Forced: 1}}
	by := suspects{clock: cpu.NewClock(1e9), guest: true}
	if got := by.causes(gaps); got[1] != probes.CauseTask {
		t.Errorf("nobody stopped it: %v", got)
	}
	by.continued = func() []cpu.Ticks { return []cpu.Ticks{150_030_000} }
	if got := by.causes(gaps); got[0] != probes.CauseTask || got[1] != probes.CauseStopped {
		t.Errorf("stopped: %v", got)
	}
}
