package main

import (
	"testing"

	"eventstreamcore/probes"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// TestAddCheck: a neighbour that came during a run takes its FAIL from it, a quiet run
// keeps it.
func TestAddCheck(t *testing.T) {
	for _, c := range []struct {
		found         probes.Verdict
		host, verdict string
	}{{probes.OK, record.Fit, record.Fail}, {probes.Warn, record.Degraded, record.Inconclusive}} {
		run := smallRun("cpu", 100)
		target, _ := judge.ByID("spsc")
		run.Rows[0].Judgements = []record.Judgement{judge.Row(target, run.Rows[0], run.Fitness)}
		addCheck(&run, &workloads.Bench{}, probes.Check{Name: "others in the run", Verdict: c.found})
		if got := run.Rows[0].Judgements; run.Fitness.Verdict != c.host || len(run.Fitness.Checks) != 1 || len(got) != 1 || got[0].Verdict != c.verdict {
			t.Errorf("%s: %+v, %+v", c.found, run.Fitness, got)
		}
	}
}
