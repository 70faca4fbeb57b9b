package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// workloadsOf is the workloads of run, in its order.
func workloadsOf(run record.Run) []string {
	var names []string
	for _, row := range run.Rows {
		if !slices.Contains(names, row.Workload) {
			names = append(names, row.Workload)
		}
	}
	return names
}

func workloadPart(run record.Run, workload string) part {
	p := part{ID: "w-" + fileName(workload), Title: "Workload " + workload}
	figures := &table{Caption: "Figures of " + workload, Head: heads("row", "unit", "#median", "#95 % interval", "#trials", "#floor", "#x-floor", "remarks")}
	noise := &table{Caption: "Noise around the trials of " + workload, Head: heads("row", "what", "#median", "#most")}
	var reasons notes
	var trials []exhibit
	for i, row := range run.Rows {
		if row.Workload != workload {
			continue
		}
		figures.Rows = append(figures.Rows, figureRows(row, &reasons)...)
		noise.Rows = append(noise.Rows, noiseRows(row)...)
		trials = append(trials, trialsExhibits(row)...)
		if shown := rowExhibits(row); len(shown) > 0 {
			s := part{ID: fmt.Sprintf("row-%d", i), Title: row.Name(), Short: shortName(row)}
			s.show(shown...)
			s.Blocks = append(s.Blocks, noiseBlocks(row)...)
			p.Parts = append(p.Parts, s)
		}
	}
	p.Blocks = append(p.Blocks, block{Table: figures}, block{Notes: reasons})
	if t := profileTable(run, workload); len(t.Rows) > 0 {
		p.Blocks = append(p.Blocks, block{Folded: &folded{"Where the CPU time of " + workload + " went", []block{{Lines: []string{profileReading}}, {Table: t}}}})
	}
	p.fold("How the trials of "+workload+" lie", trials)
	if len(noise.Rows) > 0 {
		p.Blocks = append(p.Blocks, block{Folded: &folded{"What the kernel and the runtime did while they ran", []block{{Table: noise}}}})
	}
	return p
}

const profileReading = "Taken in repetitions that are in no figure. In the folder of results, go tool pprof -http=localhost:8080 with one of these files, or with several to have them together; /ui/flamegraph is the flame graph, -top the list of functions."

// profileTable is the profiles of a workload's cells.
func profileTable(run record.Run, workload string) *table {
	t := &table{Caption: "CPU profiles of " + workload, Head: heads("cell", "#profiled for", "file")}
	for _, p := range run.Profiles {
		if name, _, _ := strings.Cut(p.Cell, "/"); name == workload {
			file := profileFile(p.Cell) // not what a run from elsewhere says
			t.Rows = append(t.Rows, []cell{{Name: strings.TrimPrefix(p.Cell, workload+"/")}, duration(p.Ns), {Text: file, Link: file}})
		}
	}
	return t
}

// shortName is a row's name among those of its workload.
func shortName(row record.Row) string {
	if short := strings.TrimPrefix(row.Name(), row.Workload+"/"); short != "" {
		return short
	}
	return row.Name()
}

// figureRows is a line for each unit of row. Why trials do not count stands in
// the notes.
func figureRows(row record.Row, n *notes) [][]cell {
	var rows [][]cell
	for _, unit := range row.Units() {
		values := row.Values(unit)
		s := judge.Summarise(values)
		cells := []cell{{Name: shortName(row)}, {Text: unit, Class: "whole"}, number(figure(s.Center, unit), s.Center), {}, number(strconv.Itoa(s.N), float64(s.N)), {}, {}, {}}
		if s.Bounded {
			cells[3].Text = interval(s.Center, s.Low, s.High, unit)
		}
		if row.Floor != nil && row.FloorUnit == unit {
			x := judge.OverFloor(unit, s.Center, row.Floor)
			cells[5], cells[6] = cell{Text: figure(row.Floor.Ns, "ns"), About: row.Floor.Name}, number(ratio(x), x)
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		rows = append(rows, []cell{{Name: shortName(row)}, {}, {}, {}, {}, {}, {}, {}})
	}
	rows[0][7] = cell{Text: remarks(row, n), Class: "why"}
	return rows
}

func remarks(row record.Row, n *notes) string {
	var all []string
	if row.Skipped != "" {
		all = append(all, "skipped: "+row.Skipped)
	}
	if row.Oversubscribed != "" {
		all = append(all, "oversubscribed, shown and not judged: "+row.Oversubscribed)
	}
	var why []string
	for _, t := range row.Trials {
		if t.Invalid != "" {
			why = append(why, t.Invalid)
		}
	}
	if invalid := len(why); invalid > 0 {
		slices.Sort(why)
		all = append(all, fmt.Sprintf("%d of %d trials do not count%s", invalid, len(row.Trials), n.mark(slices.Compact(why))))
	}
	if s := row.Steadiness; s != nil && s.Unsteady {
		all = append(all, "UNSTEADY: "+s.Verdict)
	}
	return strings.Join(append(all, row.Notes...), "; ")
}

func noiseRows(row record.Row) [][]cell {
	byUnit := map[string][]float64{}
	var units []string
	for _, t := range row.Trials {
		for _, v := range t.Noise {
			if byUnit[v.Unit] == nil {
				units = append(units, v.Unit)
			}
			byUnit[v.Unit] = append(byUnit[v.Unit], v.Value)
		}
	}
	var rows [][]cell
	for _, u := range units {
		middle, most := judge.Summarise(byUnit[u]).Center, slices.Max(byUnit[u])
		if most == 0 {
			continue
		}
		rows = append(rows, []cell{{Name: shortName(row)}, {Text: u}, number(amount(middle, u), middle), number(amount(most, u), most)})
	}
	return rows
}

// amount writes a count, or a time where the unit is one.
func amount(v float64, unit string) string {
	if judge.IsNs(unit) {
		return figure(v, unit)
	}
	return plainNumber(v)
}

// plainNumber writes v to four digits, never as a power of ten where it is large.
func plainNumber(v float64) string {
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
