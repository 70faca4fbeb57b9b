package reports

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Merge makes one run of the records that senders on several hosts made of one
// load, at the same time: what they sent adds up, and the distributions become
// that of all events. Runs that did not overlap, or that have more than one trial of
// a row, are no such records and an error.
func Merge(runs []record.Run) (record.Run, error) {
	if len(runs) < 2 {
		return record.Run{}, errors.New("merging takes two records or more")
	}
	all := runs[0]
	all.Rows, all.Matrices, all.Caches, all.Strips, all.Plan = nil, nil, nil, nil, nil
	for _, run := range runs[1:] {
		if run.Started.After(all.Ended) || all.Started.After(run.Ended) {
			return all, fmt.Errorf("%s (%s to %s) and %s did not run at the same time: what they sent does not add up",
				run.Host.Name, run.Started.Format("15:04:05"), run.Ended.Format("15:04:05"), all.Host.Name)
		}
		if run.Started.After(all.Started) { // what all of them have in common
			all.Started = run.Started
		}
		if run.Ended.Before(all.Ended) {
			all.Ended = run.Ended
		}
		all.Partial = all.Partial || run.Partial
		all.Host = together(all.Host, run.Host)
		if fitness[run.Fitness.Verdict] < fitness[all.Fitness.Verdict] {
			all.Fitness = run.Fitness
		}
	}
	for _, name := range rowNames(runs) {
		row, err := mergeRow(name, runs)
		if err != nil {
			return all, err
		}
		all.Rows = append(all.Rows, row)
	}
	return all, nil
}

// together is two hosts as one: their names, and of the hardware what they share.
func together(a, b record.Host) record.Host {
	a.Name += "+" + b.Name
	for _, same := range []struct{ a, b *string }{{&a.CPU, &b.CPU}, {&a.Kernel, &b.Kernel}, {&a.Virtual, &b.Virtual}, {&a.OS, &b.OS}, {&a.Arch, &b.Arch}} {
		if *same.a != *same.b {
			*same.a = "various"
		}
	}
	if !slices.Equal(a.Allowed, b.Allowed) {
		a.Online, a.Allowed = nil, nil
	}
	a.Nodes, a.MemoryMB = max(a.Nodes, b.Nodes), min(a.MemoryMB, b.MemoryMB)
	return a
}

// mergeRow adds up the one trial that each record has of a row.
func mergeRow(name string, runs []record.Run) (row record.Row, err error) {
	var own []record.Row
	var invalid []string
	sum := record.Trial{}
	for _, run := range runs {
		for _, r := range run.Rows {
			if r.Benchmark() != name {
				continue
			}
			if len(r.Trials) != 1 {
				return row, fmt.Errorf("%s of %s has %d trials: esc report merge takes the records of esc load --out", name, run.Host.Name, len(r.Trials))
			}
			own = append(own, r)
			if why := r.Trials[0].Invalid; why != "" {
				invalid = append(invalid, run.Host.Name+": "+why)
			}
			sum = added(sum, r.Trials[0])
		}
	}
	if len(own) < len(runs) {
		return row, fmt.Errorf("%s is in %d of the %d records: they are not of one load", name, len(own), len(runs))
	}
	row = own[0]
	if row.Distributions, err = gatherDistributions(own); err != nil {
		return row, err
	}
	if len(row.Distributions) > 0 {
		d := row.Distributions[0]
		sum.N, sum.Encoded, sum.Values = d.Count, d.Encoded, append(sum.Values, PercentileValues(d)...)
	}
	sum.Invalid = strings.Join(invalid, "; ")
	row.Trials = []record.Trial{sum}
	row.Notes = append(slices.Clone(row.Notes), fmt.Sprintf("of %d senders together", len(own)))
	return row, nil
}

// added is the sum of what two senders did; only rates add up.
func added(sum, t record.Trial) record.Trial {
	sum.N += t.N
	for _, v := range t.Values {
		if !judge.IsRate(v.Unit) {
			continue
		}
		if i := slices.IndexFunc(sum.Values, func(have record.Value) bool { return have.Unit == v.Unit }); i >= 0 {
			sum.Values[i].Value += v.Value
		} else {
			sum.Values = append(sum.Values, v)
		}
	}
	return sum
}

// PercentileValues are the percentiles of d that a trial's line carries, as far
// as its events bear them out.
func PercentileValues(d record.Distribution) (values []record.Value) {
	for _, p := range d.Percentiles {
		for _, unit := range []string{"p50-ns", "p99-ns", "p99.9-ns"} {
			if percent, _ := judge.PercentileOf(unit); percent == p.Percent {
				values = append(values, record.Value{Unit: unit, Value: float64(p.Ns)})
			}
		}
	}
	return values
}
