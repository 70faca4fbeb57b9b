package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// runParts are the chapters about one run: verdicts first, then what they rest on.
func runParts(l Loaded) []part {
	parts := []part{verdictPart(l), hostPart(l.Run), hardwarePart(l.Run)}
	for i, name := range workloadsOf(l.Run) {
		p := workloadPart(l.Run, name)
		if i == 0 { // it holds for all of them
			p.Lead = "Each trial is one run of the cell; what stands here and in the following is the median of the trials and its 95 % interval, by order statistics."
		}
		parts = append(parts, p)
	}
	return parts
}

// names of verdicts as classes of the style sheet.
var verdictClass = map[string]string{
	record.Pass: "good", record.Fit: "good", record.OK: "mute", record.Better: "good",
	record.Fail: "bad", record.Unfit: "bad", record.Bad: "bad", record.Worse: "bad",
	record.Inconclusive: "wary", record.Degraded: "wary", record.Warn: "wary",
	record.NotMeasured: "mute", record.Unknown: "mute", record.Same: "mute",
}

func verdictPart(l Loaded) part {
	t := &table{Caption: "Every target and what became of it", Head: []column{{"target", false}, {"verdict", false}, {"measured", true}, {"bound", true},
		{"95 % interval", true}, {"trials", true}, {"floor", true}, {"x-floor", true}}}
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

// number is a cell that shows text and sorts by v.
func number(text string, v float64) cell {
	if text == "" {
		return cell{}
	}
	return cell{Text: text, Sort: strconv.FormatFloat(v, 'g', -1, 64)}
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

// lacking is the files that the manifest of dir names and that are not there.
func lacking(dir string) []string {
	var m record.Manifest
	if err := readJSON(filepath.Join(dir, manifestFile), &m); err != nil {
		return []string{"The manifest cannot be read, so that nothing says whether files are missing."}
	}
	var lack []string
	for name := range m.Files {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			lack = append(lack, fmt.Sprintf("The file %s is gone from the folder.", name))
		}
	}
	slices.Sort(lack)
	return lack
}

func hostPart(run record.Run) part {
	h, c := run.Host, run.Clock
	facts := &table{Caption: "The machine and the run", Head: []column{{"what", false}, {"value", false}}}
	fact := func(what, value string) {
		if value != "" {
			facts.Rows = append(facts.Rows, []cell{{Text: what}, {Text: oneSpaced(value)}})
		}
	}
	fact("host", h.Name)
	fact("CPU", h.CPU)
	fact("system", h.OS+"/"+h.Arch+" "+h.Kernel)
	fact("CPUs", fmt.Sprintf("%s of %s", cpuset.New(h.Allowed...), cpuset.New(h.Online...)))
	fact("memory", fmt.Sprintf("%s, %.1f GiB", plural(h.Nodes, "node"), float64(h.MemoryMB)/1024))
	fact("hypervisor", h.Virtual)
	fact("plan", strings.Join(places(run.Plan), ", "))
	fact("build", fmt.Sprintf("commit %s, %s", run.Build.Commit, run.Build.Go))
	fact("command", strings.Join(run.Command, " "))
	fact("seed", fmt.Sprint(run.Seed))
	fact("time", fmt.Sprintf("%s, %.0f s", run.Started.UTC().Format("2006-01-02 15:04:05 UTC"), run.Ended.Sub(run.Started).Seconds()))
	fact("counter", fmt.Sprintf("%.4f GHz, step %s, read %s, fenced %s", c.Hz/1e9, figure(c.ResolutionNs, "ns"), figure(c.ReadNs, "ns"), figure(c.FencedNs, "ns")))
	fact("ruler", fmt.Sprintf("core %.2f GHz before, %.2f after; drift %+.1f ppm", c.GHzBefore, c.GHzAfter, c.DriftPpm))
	return part{ID: "host", Title: "Host: " + run.Fitness.Verdict, Blocks: []block{{Table: fitnessTable(run.Fitness)}, {Table: facts}},
		Lead: "FIT: figures can be trusted. DEGRADED: something takes time from them, so that a missed bound proves nothing. UNFIT: nothing can be concluded. Each check that speaks against the host stands with the command that mends it, and the one that takes it back."}
}

// fitnessTable is the checks, the worst first.
func fitnessTable(f record.Fitness) *table {
	t := &table{Caption: "Whether the host can be trusted", Head: []column{{"check", false}, {"value", false}, {"verdict", false}, {"why", false}, {"mend", false}, {"undo", false}, {"read from", false}}}
	for _, verdict := range []string{record.Bad, record.Warn, record.Unknown, record.OK} {
		for _, c := range f.Checks {
			if c.Verdict == record.OK {
				c.Mend, c.Undo = "", "" // nothing to mend
			}
			if c.Verdict == verdict {
				t.Rows = append(t.Rows, []cell{{Text: c.Name}, {Text: c.Value}, {Text: c.Verdict, Class: verdictClass[c.Verdict]},
					{Text: c.Why, Class: "why"}, {Text: c.Mend, Class: "why"}, {Text: c.Undo, Class: "why"}, {Text: c.Source, Class: "mute"}})
			}
		}
	}
	return t
}

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
	figures, noise := figureTable(workload), noiseTable(workload)
	var trials []block
	for i, row := range run.Rows {
		if row.Workload != workload {
			continue
		}
		figures.Rows = append(figures.Rows, figureRows(row)...)
		noise.Rows = append(noise.Rows, noiseRows(row)...)
		trials = append(trials, trialsBlocks(row)...)
		if s := rowPart(row, i); len(s.Blocks) > 0 {
			p.Parts = append(p.Parts, s)
		}
	}
	p.Blocks = append(p.Blocks, block{Table: figures})
	if len(trials) > 0 {
		p.Blocks = append(p.Blocks, block{Folded: &folded{"How the trials of " + workload + " lie", trials}})
	}
	if len(noise.Rows) > 0 {
		p.Blocks = append(p.Blocks, block{Folded: &folded{"What the kernel and the runtime did while they ran", []block{{Table: noise}}}})
	}
	return p
}

func figureTable(workload string) *table {
	return &table{Caption: "Figures of " + workload, Head: []column{{"row", false}, {"unit", false}, {"median", true}, {"95 % interval", true},
		{"trials", true}, {"floor", true}, {"x-floor", true}, {"remarks", false}}}
}

func figureRows(row record.Row) [][]cell {
	var rows [][]cell
	for _, unit := range row.Units() {
		values := row.Values(unit)
		s := judge.Summarise(values)
		cells := []cell{{Name: row.Name()}, {Text: unit}, number(figure(s.Center, unit), s.Center), {}, number(strconv.Itoa(s.N), float64(s.N)), {}, {}, {}}
		if s.Bounded {
			cells[3].Text = interval(s.Center, s.Low, s.High, unit)
		}
		if row.Floor != nil && row.FloorUnit == unit {
			x := judge.OverFloor(unit, s.Center, row.Floor)
			cells[5].Text, cells[6] = row.Floor.Name+" "+figure(row.Floor.Ns, "ns"), number(ratio(x), x)
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		rows = append(rows, []cell{{Name: row.Name()}, {}, {}, {}, {}, {}, {}, {}})
	}
	rows[0][7] = cell{Text: remarks(row), Class: "why"}
	return rows
}

func remarks(row record.Row) string {
	var all []string
	if row.Skipped != "" {
		all = append(all, "skipped: "+row.Skipped)
	}
	if row.Oversubscribed != "" {
		all = append(all, "oversubscribed, shown and not judged: "+row.Oversubscribed)
	}
	for _, t := range row.Trials {
		if t.Invalid != "" && !slices.Contains(all, "invalid trial: "+t.Invalid) {
			all = append(all, "invalid trial: "+t.Invalid)
		}
	}
	return strings.Join(append(all, row.Notes...), "; ")
}

func noiseTable(workload string) *table {
	return &table{Caption: "Noise around the trials of " + workload, Head: []column{{"row", false}, {"what", false}, {"median", true}, {"most", true}}}
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
		rows = append(rows, []cell{{Name: row.Name()}, {Text: u}, number(plainNumber(middle), middle), number(plainNumber(most), most)})
	}
	return rows
}

func plainNumber(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
