package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// names of verdicts as classes of the style sheet.
var verdictClass = map[string]string{
	record.Pass: "good", record.Fit: "good", record.OK: "mute", record.Better: "good",
	record.Fail: "bad", record.Unfit: "bad", record.Bad: "bad", record.Worse: "bad",
	record.Inconclusive: "wary", record.Degraded: "wary", record.Warn: "wary",
	record.NotMeasured: "mute", record.Unknown: "mute", record.Same: "mute",
}

func verdictPart(l Loaded) part {
	t := &table{Caption: "Every target and what became of it", Head: heads("target", "verdict", "#measured", "#bound", "#95 % interval", "#trials", "#floor", "#x-floor")}
	var reasons notes
	for _, row := range l.Run.Rows {
		for _, j := range row.Judgements {
			t.Rows = append(t.Rows, verdictCells(row, j, &reasons))
		}
	}
	for _, m := range judge.Missing(l.Run.Rows) {
		t.Rows = append(t.Rows, verdictCells(record.Row{}, unheld(m), &reasons))
	}
	p := part{ID: "verdicts", Title: "Verdicts", Blocks: []block{{Table: t}, {Notes: reasons}},
		Lead: "PASS: the whole 95 % interval of the median of the trials lies within the bound. FAIL: it does not, on a host that can be trusted. " +
			"INCONCLUSIVE: it does not, on one that cannot, or nothing can be concluded. x-floor is the figure over the physical cost beneath it, measured in the same run: " +
			"it travels between machines, the nanoseconds do not."}
	p.show(verdictExhibits(l.Run)...)
	if missing := missingParts(l); len(missing) > 0 {
		p.Parts = append(p.Parts, part{ID: "missing", Title: "What this run does not have", Blocks: []block{{Lines: missing}}})
	}
	return p
}

// unheld is the judgement of a target that no row was held against.
func unheld(t judge.Target) record.Judgement {
	return judge.Unmeasured(t, "no row of this run was held against it")
}

// tally counts the verdicts of run.
func tally(run record.Run) string {
	count := map[string]int{record.NotMeasured: len(judge.Missing(run.Rows))}
	for _, row := range run.Rows {
		for _, j := range row.Judgements {
			count[j.Verdict]++
		}
	}
	var all []string
	for _, v := range []string{record.Fail, record.Inconclusive, record.Pass, record.NotMeasured} {
		all = append(all, fmt.Sprintf("%d %s", count[v], v))
	}
	return strings.Join(all, ", ")
}

func verdictCells(row record.Row, j record.Judgement, n *notes) []cell {
	name := ""
	if row.Workload != "" {
		name = row.Name()
	}
	text := judged(row, j, new(notes))
	cells := []cell{{Text: j.Target, About: j.What, Name: name}, {Text: j.Verdict, About: strings.TrimSpace(n.mark(j.Reasons)), Class: verdictClass[j.Verdict]},
		number(text[2], j.Center), number(text[1], j.Bound), {Text: text[3]}, number(strconv.Itoa(j.N), float64(j.N)), {Text: text[4]}, number(text[5], j.XFloor)}
	if j.N == 0 {
		cells[2], cells[5] = cell{}, cell{}
	}
	return cells
}

// verdictExhibits shows how far within its bound or beyond it every target lies.
func verdictExhibits(run record.Run) []exhibit {
	held := map[string][]record.Row{} // rows by target
	for _, row := range run.Rows {
		for _, j := range row.Judgements {
			held[j.Target] = append(held[j.Target], row)
		}
	}
	var ratios []chart.Ratio
	for _, row := range run.Rows {
		for _, j := range row.Judgements {
			if r := overBound(j); r.At > 0 {
				r.Name = strings.TrimSpace(j.Target + " " + differing(row, held[j.Target]))
				ratios = append(ratios, r)
			}
		}
	}
	if len(ratios) == 0 {
		return nil
	}
	return []exhibit{{name: "verdicts", reading: "Every target at a glance: what was measured over its bound, with the 95 % interval; for a rate, the bound over what was measured. Left of the line is within the bound.",
		draw: func() (*chart.Figure, error) {
			return chart.Forest("every target", tally(run), "measured over bound", ratios, [chart.Outcomes]string{"PASS", "FAIL", "INCONCLUSIVE"})
		}}}
}

// differing is the parameters of row by which it differs from any of rows.
func differing(row record.Row, rows []record.Row) string {
	var own []string
	for _, p := range row.Params {
		if slices.ContainsFunc(rows, func(r record.Row) bool { return !slices.Contains(r.Params, p) }) {
			own = append(own, p.Key+"="+p.Value)
		}
	}
	return strings.Join(own, " ")
}

// overBound is a judgement as a multiple of its bound, so that less is better.
func overBound(j record.Judgement) chart.Ratio {
	r := chart.Ratio{Outcome: chart.Unsure}
	switch j.Verdict {
	case record.Pass:
		r.Outcome = chart.Good
	case record.Fail:
		r.Outcome = chart.Poor
	}
	switch {
	case j.N == 0 || !(j.Bound > 0) || !(j.Center > 0):
	case j.AtLeast:
		r.At = j.Bound / j.Center
		if j.Low > 0 {
			r.Low, r.High = j.Bound/j.High, j.Bound/j.Low
		}
	default:
		r.At, r.Low, r.High = j.Center/j.Bound, j.Low/j.Bound, j.High/j.Bound
	}
	return r
}

// missingParts names what a full run has and this one has not.
func missingParts(l Loaded) []string {
	run, lines := l.Run, l.Lack
	say := func(missing bool, line string) {
		if missing {
			lines = append(lines, line)
		}
	}
	say(run.Partial, "The run was interrupted: rows may be missing.")
	say(run.Quick, "The run was a quick one: fewer and shorter trials than the targets deserve.")
	say(len(run.Rows) == 0, "No workload was measured.")
	say(len(run.Matrices) == 0, "No matrix of costs between CPUs or nodes was measured.")
	say(len(run.Caches) == 0, "No cost over working sets was measured.")
	say(len(run.Strips) == 0, "No loop noted the gaps that the host tore into it.")
	invalid := 0
	for _, row := range run.Rows {
		say(row.Skipped != "", fmt.Sprintf("%s was skipped: %s.", row.Name(), row.Skipped))
		if len(row.Valid()) < len(row.Trials) {
			invalid++
		}
	}
	say(invalid > 0, fmt.Sprintf("%s with trials that do not count: their remarks say why.", plural(invalid, "row")))
	return lines
}
