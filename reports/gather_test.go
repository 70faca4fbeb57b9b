package reports

import (
	"testing"
	"time"

	"eventstreamcore/reports/record"
)

// Three processes are three runs of each row: what is counted is three, what was
// measured all of it, and the folder written of them verifies.
func TestGather(t *testing.T) {
	var runs []record.Run
	for i := range 3 {
		run := sampleRun()
		run.Started, run.Ended = run.Started.Add(time.Duration(i)*time.Minute), run.Ended.Add(time.Duration(i)*time.Minute)
		floor := *run.Rows[0].Floor
		floor.Ns += float64(i)
		run.Rows[0].Floor = &floor
		runs = append(runs, run)
	}
	runs[1].Fitness.Verdict = record.Unfit
	runs[2].Rows = runs[2].Rows[1:] // one process was cut short
	all, err := Gather(runs)
	if err != nil {
		t.Fatal(err)
	}
	spsc, e2e := all.Rows[0], all.Rows[2]
	if len(spsc.Trials) != 20 || len(spsc.Counted()) != 2 || len(e2e.Counted()) != 3 {
		t.Errorf("%d trials, counted %d and %d", len(spsc.Trials), len(spsc.Counted()), len(e2e.Counted()))
	}
	if f := spsc.Floor; f.Ns != 5.3 || f.Low != 4.8 || f.High != 5.8 || f.N != 2 {
		t.Errorf("floor %+v", f)
	}
	if one, three := runs[0].Rows[2].Distributions[0].Count, e2e.Distributions[0].Count; three != 3*one {
		t.Errorf("%d events of three times %d", three, one)
	}
	if all.Fitness.Verdict != record.Unfit || !all.Ended.Equal(runs[2].Ended) || spsc.Judgements[0].N != 2 {
		t.Errorf("%s, ended %v, judged by %d", all.Fitness.Verdict, all.Ended, spsc.Judgements[0].N)
	}
	if wrong := verified(t, mustWrite(t, t.TempDir(), all)); wrong != "" {
		t.Error(wrong)
	}
	if _, err := Gather(nil); err == nil {
		t.Error("nothing gathers")
	}
}
