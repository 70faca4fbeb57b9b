package main

import (
	"testing"

	"eventstreamcore/probes"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
)

// TestAddedCheck: a neighbour that came during a run takes its FAIL from it, a quiet run
// keeps it.
func TestAddedCheck(t *testing.T) {
	for _, c := range []struct {
		found         probes.Verdict
		host, verdict string
	}{{probes.OK, record.Fit, record.Fail}, {probes.Warn, record.Degraded, record.Inconclusive}} {
		run := smallRun("cpu", 100)
		target, _ := judge.ByID("spsc")
		run.Rows[0].Judgements = []record.Judgement{judge.Row(target, run.Rows[0], run.Fitness)}
		m := measurement{bench: &workloads.Bench{}, run: run}
		m.add(probes.Check{Name: "others in the run", Verdict: c.found})
		if got := m.run.Rows[0].Judgements; m.run.Fitness.Verdict != c.host || len(m.run.Fitness.Checks) != 1 || len(got) != 1 || got[0].Verdict != c.verdict {
			t.Errorf("%s: %+v, %+v", c.found, m.run.Fitness, got)
		}
	}
}
