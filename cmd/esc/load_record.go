package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"eventstreamcore/probes/topology"
	"eventstreamcore/reports"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads"
	"eventstreamcore/workloads/drive"
)

// keepLoad writes what a load did as results below root.
func keepLoad(root string, s drive.Spec, r drive.Report, began time.Time) (dir string, err error) {
	run, err := loadRecord(s, r, began)
	if err != nil {
		return "", err
	}
	return reports.Write(root, run)
}

// loadRecord is what a load did as a run: its rate, and the distributions of the
// sender's debt and of the latency until the answers. The host's fitness is not
// looked into, and so unknown.
func loadRecord(s drive.Spec, r drive.Report, began time.Time) (run record.Run, err error) {
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		return run, err
	}
	run = record.Run{Schema: record.Schema, Started: began, Ended: time.Now().UTC(), Command: os.Args, Seed: s.Schedule.Seed, Partial: r.Partial, Build: readBuild()}
	run.Host = readHost(machine)
	base := record.Row{Workload: "load", Procs: s.Connections, Params: []record.Param{
		{Key: "rate", Value: strconv.FormatFloat(s.Schedule.Rate, 'f', -1, 64)}, {Key: "shape", Value: s.Schedule.Shape.String()},
		{Key: "size", Value: strconv.Itoa(s.Size)}, {Key: "frames", Value: fmt.Sprintf("v%d", s.Version)},
	}}
	invalid := invalidLoad(r)
	sent := base
	sent.Trials = []record.Trial{{N: int64(r.Sent), Invalid: invalid, Noise: accountOf(r), Values: []record.Value{
		{Unit: "events/s", Value: r.Rate}, {Unit: "B/s", Value: float64(r.Bytes) / (float64(r.DurationNs) / 1e9)},
	}}}
	run.Rows = append(run.Rows, sent)
	if r.Debt != nil {
		debt := spanOf(base, "intended-sent", r.Debt, invalid)
		if r.Calm != nil {
			debt.Distributions = append(debt.Distributions, judge.NewDistribution(debt.Distributions[0].Name+record.Undisturbed, workloads.AsHDR(r.Calm.Of)))
		}
		if r.Lost != nil {
			debt.Strips = []record.Strip{{Name: "sender", CPU: s.CPU, Ns: r.DurationNs, Count: int64(r.Lost.Count), Lost: r.Lost.Ns}}
		}
		run.Rows = append(run.Rows, debt)
	}
	if r.Answers != nil && r.Answers.Latency != nil {
		run.Rows = append(run.Rows, spanOf(base, "intended-answered", r.Answers.Latency, invalid))
	}
	return run, nil
}

// invalidLoad is why the figures of a load do not count, "" where they do: the
// schedule was not kept, or events that asked were not answered.
func invalidLoad(r drive.Report) string {
	switch {
	case !r.KeptUp:
		return fmt.Sprintf("the sender ended %v behind its schedule", ns(r.LagNs).Round(time.Millisecond))
	case r.Answers != nil && r.Answers.Missing > 0:
		return fmt.Sprintf("%d of %d events were not answered", r.Answers.Missing, r.Sent)
	case r.Answers != nil && len(r.Answers.Reasons) > 0:
		return "events were refused: " + counts(r.Answers.Reasons)
	}
	return ""
}

// residualUnit is the noise that says how far a sender's own clock was off.
const residualUnit = "clock-residual-ns"

// accountOf is what became of a load's events, and its clock's residual.
func accountOf(r drive.Report) []record.Value {
	account := []record.Value{{Unit: "sent", Value: float64(r.Sent)}, {Unit: residualUnit, Value: float64(r.ResidualNs)}}
	if r.Answers != nil {
		for _, name := range slices.Sorted(maps.Keys(r.Answers.Outcomes)) {
			account = append(account, record.Value{Unit: "answered-" + name, Value: float64(r.Answers.Outcomes[name])})
		}
	}
	return account
}

// spanOf is a row of one distribution.
func spanOf(base record.Row, name string, q *drive.Quantiles, invalid string) record.Row {
	base.Params = append(base.Params[:len(base.Params):len(base.Params)], record.Param{Key: "span", Value: name})
	d := judge.NewDistribution(name, workloads.AsHDR(q.Of))
	base.Distributions = []record.Distribution{d}
	base.Trials = []record.Trial{{N: d.Count, Invalid: invalid, Encoded: d.Encoded, Values: reports.PercentileValues(d)}}
	return base
}
