package reports

import (
	"fmt"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Gather makes one run of several that fresh processes of one build made on one
// host, each of them one run of every row. Floors become the median over the
// processes, distributions that of all events, verdicts are given anew; what
// belongs to one process alone, as its intervals and its outliers do, is left out.
// The host is as fit as in the worst of them.
func Gather(runs []record.Run) (record.Run, error) { return gather(runs, leastFit(runs)) }

// GatherTurns is Gather of processes that each took turns with one of every other
// side: load that came and went was on all sides alike, so that it takes the whole
// run's fitness only where most of them met it.
func GatherTurns(runs []record.Run) (record.Run, error) { return gather(runs, fitInTurns(runs)) }

func gather(runs []record.Run, host record.Fitness) (record.Run, error) {
	if len(runs) == 0 {
		return record.Run{}, fmt.Errorf("there is no run to gather")
	}
	all := runs[0]
	all.Fitness = host
	all.Rows, all.Matrices, all.Caches, all.Strips = nil, nil, nil, nil
	for _, run := range runs {
		all.Ended = run.Ended
		all.Clock.GHzAfter, all.Clock.DriftPpm = run.Clock.GHzAfter, run.Clock.DriftPpm
		all.Partial = all.Partial || run.Partial
	}
	for _, name := range rowNames(runs) {
		row, err := gatherRow(name, runs)
		if err != nil {
			return all, err
		}
		judgeAgain(&row, all.Fitness)
		all.Rows = append(all.Rows, row)
	}
	return all, nil
}

// fitness orders hosts, the worst first; one that is unknown is no better.
var fitness = map[string]int{record.Unfit: 0, "": 1, record.Degraded: 2, record.Fit: 3}

func leastFit(runs []record.Run) (worst record.Fitness) {
	for i, run := range runs {
		if i == 0 || fitness[run.Fitness.Verdict] < fitness[worst.Verdict] {
			worst = run.Fitness
		}
	}
	return worst
}

// fitInTurns is leastFit, but for an UNFIT host that was it for nothing but others'
// load, and in fewer than half of the runs: that one is DEGRADED, and says how many.
// What is wrong with a clock or a quota is wrong with all that was measured.
func fitInTurns(runs []record.Run) record.Fitness {
	worst := leastFit(runs)
	loaded := 0
	for _, run := range runs {
		if run.Fitness.Verdict != record.Unfit {
			continue
		}
		if loaded++; !onlyLoad(run.Fitness) {
			return run.Fitness
		}
	}
	if loaded == 0 || 2*loaded >= len(runs) {
		return worst
	}
	worst.Verdict, worst.Checks = record.Degraded, slices.Clone(worst.Checks)
	for i, c := range worst.Checks {
		if c.Verdict == record.Bad {
			worst.Checks[i].Verdict = record.Warn
			worst.Checks[i].Value += fmt.Sprintf("; in %d of %d processes, which shared it with those beside them", loaded, len(runs))
		}
	}
	return worst
}

// onlyLoad says that what made a host UNFIT is others' load on its CPUs alone.
func onlyLoad(f record.Fitness) bool {
	bad := slices.DeleteFunc(slices.Clone(f.Checks), func(c record.Check) bool { return c.Verdict != record.Bad })
	return len(bad) == 1 && bad[0].Name == record.ForeignLoad
}

// rowNames is every row of runs, in order of first appearance.
func rowNames(runs []record.Run) (names []string) {
	for _, run := range runs {
		for _, row := range run.Rows {
			if name := row.Benchmark(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func gatherRow(name string, runs []record.Run) (row record.Row, err error) {
	var own []record.Row
	for i, run := range runs {
		for _, r := range run.Rows {
			if r.Benchmark() != name {
				continue
			}
			own = append(own, r)
			for _, t := range r.Trials {
				t.Process = i + 1
				row.Trials = append(row.Trials, t)
			}
		}
	}
	trials := row.Trials
	row = own[0]
	row.Trials, row.Intervals, row.Waterfalls, row.Loads = trials, nil, nil, nil
	row.Strips, row.Outliers, row.Blames, row.Interrupts, row.Steadiness = nil, nil, nil, nil, nil
	row.Floor, row.Notes = gatherFloor(own), sharedNotes(own)
	row.Distributions, err = gatherDistributions(own)
	return row, err
}

// gatherFloor is the median of the floors that the processes found, with its
// interval; with too few for one, from the least to the greatest.
func gatherFloor(own []record.Row) *record.Floor {
	var values []float64
	var floor record.Floor
	for _, row := range own {
		if row.Floor != nil {
			values = append(values, row.Floor.Ns)
			floor = *row.Floor
		}
	}
	if len(values) == 0 {
		return nil
	}
	s := judge.Summarise(values)
	floor.Ns, floor.Low, floor.High, floor.N = s.Center, s.Low, s.High, s.N
	if !s.Bounded {
		floor.Low, floor.High = slices.Min(values), slices.Max(values)
	}
	if len(values) > 1 {
		floor.How = fmt.Sprintf("%s; the median of %d processes", floor.How, len(values))
	}
	return &floor
}

// sharedNotes are those of the first row that every other has too.
func sharedNotes(own []record.Row) (notes []string) {
	for _, note := range own[0].Notes {
		missing := slices.ContainsFunc(own, func(r record.Row) bool { return !slices.Contains(r.Notes, note) })
		if !missing {
			notes = append(notes, note)
		}
	}
	return notes
}

func gatherDistributions(own []record.Row) (all []record.Distribution, err error) {
	merged := map[string]*hdrhistogram.Histogram{}
	parts := map[string]string{}
	var names []string
	for _, row := range own {
		for _, d := range row.Distributions {
			parts[d.Name] = d.Part
			hist, err := Histogram(d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", row.Name(), err)
			}
			if merged[d.Name] == nil {
				merged[d.Name] = hist
				names = append(names, d.Name)
				continue
			}
			if dropped := merged[d.Name].Merge(hist); dropped > 0 {
				return nil, fmt.Errorf("%s: %d events of %s lie beyond the range of the histogram they are merged into", row.Name(), dropped, d.Name)
			}
		}
	}
	for _, name := range names {
		d := judge.NewDistribution(name, merged[name])
		d.Part = parts[name]
		all = append(all, d)
	}
	return all, nil
}

// judgeAgain holds the targets that row was held against against it anew.
func judgeAgain(row *record.Row, host record.Fitness) {
	judged := row.Judgements
	row.Judgements = nil
	for _, j := range judged {
		if t, ok := judge.ByID(j.Target); ok {
			row.Judgements = append(row.Judgements, judge.Row(t, *row, host))
		}
	}
}
