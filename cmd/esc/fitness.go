package main

import (
	"os"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// look asks the doctor how fit the host is.
func (m *measurement) look() {
	m.run.Fitness = recordFitness(probes.Doctor(m.bench.Clock, os.DirFS("/"), m.machine, m.run.Host.Allowed, m.flags.out, doctorWindow))
	m.bench.Fitness = m.run.Fitness
}

// doctorWindow is how long each CPU is watched for what others take of it.
const doctorWindow = 300 * time.Millisecond

// add adds what was found out about the host once all was measured, and judges
// every row anew by it.
func (m *measurement) add(c probes.Check) {
	late := recordFitness(probes.NewFitness([]probes.Check{c}))
	f := &m.run.Fitness
	f.Checks = append(f.Checks, late.Checks...)
	if late.Verdict == record.Fit {
		return
	}
	if f.Verdict == record.Fit {
		f.Verdict = late.Verdict
	}
	m.judgeAgain()
}

// busy is how long the CPUs have run until now.
func (m *measurement) busy() probes.Busy { return probes.ReadBusy(os.DirFS("/"), m.run.Host.Allowed) }

// judgeAgain judges every row by the fitness that is known now.
func (m *measurement) judgeAgain() {
	m.bench.Fitness = m.run.Fitness
	m.bench.JudgeAgain(m.run.Rows)
}

// recheck checks the ruler again, and records it: if it no longer holds, nothing
// measured with it does, and the host is unfit.
func recheck(run *record.Run, ruler *probes.Ruler, clock cpu.Clock) (holds bool) {
	err := ruler.Recheck()
	if err != nil {
		checks := recordFitness(probes.NewFitness([]probes.Check{probes.RulerCheck(*ruler, err)})).Checks
		if len(run.Fitness.Checks) > 0 { // the first of which is that of the ruler, before
			checks = append(checks, run.Fitness.Checks[1:]...)
		}
		run.Fitness.Checks = checks
		run.Fitness.Verdict = record.Unfit
	}
	run.Clock = record.Clock{
		Hz: ruler.Hz, Agreement: clock.Agreement, ReadNs: ruler.ReadNs, FencedNs: ruler.FencedNs, ResolutionNs: ruler.ResolutionNs,
		GHzBefore: ruler.GHzBefore, GHzAfter: ruler.GHzAfter, DriftPpm: ruler.DriftAfter * 1e6,
	}
	return err == nil
}

func recordFitness(f probes.Fitness) record.Fitness {
	out := record.Fitness{Verdict: string(f.Verdict)}
	for _, c := range f.Checks {
		out.Checks = append(out.Checks, record.Check{
			Name: c.Name, Value: c.Value, Source: c.Source, Verdict: string(c.Verdict), Why: c.Why, Mend: c.Mend, Undo: c.Undo,
		})
	}
	return out
}
