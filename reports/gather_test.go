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

// Others' load in a few looks was on both sides of pairs in turns alike; in half of
// them it is the host's own state, and what is wrong with the clock is wrong with all.
func TestGatherTurns(t *testing.T) {
	load, quota := record.Check{Name: record.ForeignLoad, Value: "40 % of CPU 1", Verdict: record.Bad}, record.Check{Name: "cpu quota", Verdict: record.Bad}
	for _, c := range []struct {
		name   string
		unfit  int // of ten
		checks []record.Check
		want   string
	}{
		{"never", 0, nil, record.Degraded},
		{"load in four of ten", 4, []record.Check{load}, record.Degraded},
		{"load in half of them", 5, []record.Check{load}, record.Unfit},
		{"a quota in one", 1, []record.Check{quota}, record.Unfit},
		{"a quota and load in one", 1, []record.Check{quota, load}, record.Unfit},
		{"no reason in one", 1, nil, record.Unfit},
	} {
		runs := make([]record.Run, 10)
		for i := range runs {
			runs[i] = sampleRun()
			runs[i].Fitness = record.Fitness{Verdict: record.Degraded, Checks: []record.Check{{Name: "hypervisor", Verdict: record.Warn}}}
			if i >= 10-c.unfit {
				runs[i].Fitness = record.Fitness{Verdict: record.Unfit, Checks: c.checks}
			}
		}
		all, err := GatherTurns(runs)
		if err != nil || all.Fitness.Verdict != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, all.Fitness.Verdict, err, c.want)
		}
		if c.unfit > 0 && c.want == record.Degraded {
			said := all.Fitness.Checks[0]
			if said.Verdict != record.Warn || said.Value != "40 % of CPU 1; in 4 of 10 processes, which shared it with those beside them" || runs[9].Fitness.Checks[0].Verdict != record.Bad {
				t.Errorf("%s: %+v", c.name, said)
			}
		}
		if apart, err := Gather(runs); err != nil || c.unfit > 0 && apart.Fitness.Verdict != record.Unfit {
			t.Errorf("%s, one after the other: %s (%v)", c.name, apart.Fitness.Verdict, err)
		}
	}
	if _, err := GatherTurns(nil); err == nil {
		t.Error("nothing gathers")
	}
}
