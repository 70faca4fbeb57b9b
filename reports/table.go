package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"k8s.io/utils/cpuset"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Widths of the table, in columns.
const (
	widthMin     = 80
	widthDefault = 100
)

// Table writes run for a terminal of width columns (at least widthMin): the
// host and whether it can be trusted, the targets and what became of them, then
// the figures that no target is stated for. color marks the verdicts.
func Table(w io.Writer, run record.Run, width int, color bool) error {
	p := &printer{width: max(width, widthMin), color: color}
	p.host(run)
	p.fitness(run.Fitness)
	p.targets(run.Rows)
	p.figures(run.Rows)
	_, err := io.WriteString(w, p.String())
	return err
}

// printer gathers the lines of a table.
type printer struct {
	strings.Builder
	width int
	color bool
}

// solid is a space at which no line is broken, so that a figure keeps its unit.
const solid = "\u00a0"

func (p *printer) line(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), solid, " ")
	p.WriteString(strings.TrimRight(text, " "))
	p.WriteByte('\n')
}

// wrap writes text behind head, broken at single spaces, its further lines indented to where it began.
func (p *printer) wrap(head, text string) {
	indent := shown(head)
	line := head
	for word := range strings.SplitSeq(printable(text), " ") {
		used := shown(line)
		if used > indent && used+1+utf8.RuneCountInString(word) > p.width {
			p.line("%s", line)
			line, used = strings.Repeat(" ", indent), indent
		}
		if used > indent {
			line += " "
		}
		line += word
	}
	p.line("%s", line)
}

func (p *printer) host(run record.Run) {
	h := run.Host
	facts := []string{h.CPU, h.OS + "/" + h.Arch + " " + h.Kernel,
		fmt.Sprintf("CPUs %s of %s", cpuset.New(h.Allowed...), cpuset.New(h.Online...)), plural(h.Nodes, "node"), fmt.Sprintf("%.1f GiB", float64(h.MemoryMB)/1024)}
	if h.Virtual != "" {
		facts = append(facts, h.Virtual+" guest")
	}
	p.wrap("host     ", oneSpaced(h.Name+": "+strings.Join(facts, ", ")))
	c := run.Clock
	p.wrap("clock    ", fmt.Sprintf("%.4f GHz counter, step %s, read %s, fenced %s; core %.2f GHz before, %.2f after; drift %+.1f ppm",
		c.Hz/1e9, figure(c.ResolutionNs, "ns"), figure(c.ReadNs, "ns"), figure(c.FencedNs, "ns"), c.GHzBefore, c.GHzAfter, c.DriftPpm))
	build := run.Build.Commit
	if run.Build.Dirty {
		build += " with changes"
	}
	what := fmt.Sprintf("%s, %s, seed %d, %s", build, run.Build.Go, run.Seed, run.Started.UTC().Format("2006-01-02T15:04:05Z"))
	if run.Quick {
		what += ", quick"
	}
	if run.Partial {
		what += ", PARTIAL: interrupted, rows may be missing"
	}
	p.wrap("run      ", what)
	for _, s := range run.Senders {
		p.wrap("sender   ", senderLine(s))
	}
	if len(run.Plan) > 0 {
		p.wrap("plan     ", strings.Join(places(run.Plan), ", "))
	}
	if found := readBack(run.Rows); len(found) > 0 {
		p.wrap("placed   ", "read back after each trial: "+strings.Join(found, ", "))
	}
	if run.Counters != nil {
		p.wrap("counters ", counted(run.Counters))
	}
}

// places is where the threads of a plan run, those of one role and CPU together.
func places(plan []record.Placed) []string {
	var all []string
	count := map[string]int{}
	for _, t := range plan {
		at := fmt.Sprintf("%s on CPU %d", t.Role, t.CPU)
		if count[at]++; count[at] == 1 {
			all = append(all, at)
		}
	}
	for i, at := range all {
		if count[at] > 1 {
			all[i] = fmt.Sprintf("%d x %s", count[at], at)
		}
	}
	return all
}

// fitness lists every check that speaks against the host, with its remedy, and
// names those that could not be read.
func (p *printer) fitness(f record.Fitness) {
	verdict := f.Verdict
	if verdict == "" {
		verdict = record.Unknown
	}
	count := map[string]int{}
	var unknown []string
	for _, c := range f.Checks {
		count[c.Verdict]++
		if c.Verdict == record.Unknown {
			unknown = append(unknown, c.Name)
		}
	}
	p.line("fitness  %s: %d checks, %d ok, %d warn, %d bad, %d unknown", p.paint(verdict),
		len(f.Checks), count[record.OK], count[record.Warn], count[record.Bad], count[record.Unknown])
	for _, c := range f.Checks {
		if c.Verdict != record.Warn && c.Verdict != record.Bad {
			continue
		}
		p.wrap(fmt.Sprintf("  %-4s %s: ", c.Verdict, printable(c.Name)), withWhy(c))
		if c.Mend != "" {
			p.wrap("       mend: ", c.Mend)
		}
	}
	if len(unknown) > 0 {
		p.wrap("  unknown ", strings.Join(unknown, ", "))
	}
}

func withWhy(c record.Check) string {
	if c.Why == "" {
		return c.Value
	}
	return c.Value + "; " + c.Why
}

// targets is the table of verdicts. Reasons stand below it once each, by number;
// targets that nothing was held against are named together.
func (p *printer) targets(rows []record.Row) {
	lines := [][]string{{"target", "bound", "measured", "interval", "floor", "x-floor", "verdict"}}
	var notes notes
	for _, row := range rows {
		for _, j := range row.Judgements {
			lines = append(lines, judged(row, j, &notes))
		}
	}
	p.line("")
	if len(lines) > 1 {
		p.columns(lines, "lrrrrrl")
	}
	for i, n := range notes {
		p.wrap(fmt.Sprintf("  [%d] ", i+1), n)
	}
	var missing []string
	for _, t := range judge.Missing(rows) {
		missing = append(missing, t.ID)
	}
	if len(missing) > 0 {
		p.line("  %s, for no row of this run was held against them:", p.paint(record.NotMeasured))
		p.wrap("      ", strings.Join(missing, ", "))
	}
}

// judged is the cells of one judgement.
func judged(row record.Row, j record.Judgement, n *notes) []string {
	name := strings.TrimSpace(j.Target + " " + params(row))
	cells := []string{printable(name), bound(j.Bound, j.Unit, j.AtLeast), "", "", "", "", j.Verdict + n.mark(j.Reasons)}
	if j.N == 0 {
		return cells
	}
	cells[2] = figure(j.Center, j.Unit)
	if j.High > 0 {
		cells[3] = interval(j.Center, j.Low, j.High, j.Unit)
	}
	if j.Floor != nil && j.Floor.Ns > 0 {
		cells[4] = figure(j.Floor.Ns, "ns")
	}
	if j.XFloor > 0 {
		cells[5] = ratio(j.XFloor)
	}
	return cells
}

// params is the row's parameters: set=512MiB op=insert.
func params(row record.Row) string {
	var all []string
	for _, p := range row.Params {
		all = append(all, p.Key+"="+p.Value)
	}
	return strings.Join(all, " ")
}

// notes are reasons, each kept once and known by its place.
type notes []string

// mark is the numbers of reasons: " [1,3]".
func (n *notes) mark(reasons []string) string {
	var marks []string
	for _, r := range reasons {
		marks = append(marks, fmt.Sprint(n.place(r)))
	}
	if len(marks) == 0 {
		return ""
	}
	return " [" + strings.Join(marks, ",") + "]"
}

func (n *notes) place(reason string) int {
	for i, have := range *n {
		if have == reason {
			return i + 1
		}
	}
	*n = append(*n, reason)
	return len(*n)
}

// figures lists what no target is stated for, a row's figures on one line, and
// below it what was noted of the row, judged or not.
func (p *printer) figures(rows []record.Row) {
	p.line("")
	p.line("figures without a target (median of the trials), and what was noted of all")
	limit, widest := p.width/3, 0
	for _, row := range rows {
		if n := utf8.RuneCountInString(row.Name()); n <= limit {
			widest = max(widest, n)
		}
	}
	for _, row := range rows {
		text, name, noted := plain(row), printable(row.Name()), noted(row)
		if text == "" && len(noted) == 0 {
			continue
		} else if text == "" {
			text = "judged above"
		}
		if utf8.RuneCountInString(name) > limit { // on a line of its own
			p.wrap("  ", name)
			p.wrap("      ", text)
		} else {
			p.wrap(fmt.Sprintf("  %-*s  ", widest, name), text)
		}
		for _, text := range noted {
			p.wrap("      ", text)
		}
	}
}

// noted are the lines below a row's figures: its distributions, but for the stages,
// which are on the page, and what disturbed it.
func noted(row record.Row) (lines []string) {
	whole, legs, _ := wholeAndParts(row)
	for _, d := range append(whole, legs...) {
		if b := bars(d); b != "" {
			lines = append(lines, strings.ReplaceAll(b, " ", solid)) // never broken
		}
	}
	return append(lines, disturbances(row)...)
}

// plain is the figures of row that were not judged, and what must be said of it.
func plain(row record.Row) string {
	var parts []string
	for _, unit := range row.Units() {
		if isJudged(row, unit) {
			continue
		}
		s := judge.Summarise(row.Values(unit))
		text := strings.TrimSpace(label(unit) + " " + figure(s.Center, unit))
		if row.Floor != nil && row.FloorUnit == unit {
			text += fmt.Sprintf(" (%s x %s, %s)", ratio(judge.OverFloor(unit, s.Center, row.Floor)), row.Floor.Name, figure(row.Floor.Ns, "ns"))
		}
		parts = append(parts, strings.ReplaceAll(text, " ", solid))
	}
	if row.Skipped != "" && len(row.Judgements) == 0 {
		parts = append(parts, "skipped: "+row.Skipped)
	}
	if row.Oversubscribed != "" {
		parts = append(parts, "oversubscribed, not judged: "+row.Oversubscribed)
	}
	if bad := len(row.Trials) - len(row.Valid()); bad > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d trials INVALID, kept in .FAIL", bad, len(row.Trials)))
	}
	return strings.Join(append(parts, row.Notes...), "; ")
}

func isJudged(row record.Row, unit string) bool {
	for _, j := range row.Judgements {
		if j.Unit == unit && j.N > 0 {
			return true
		}
	}
	return false
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// oneSpaced is text with each run of spaces made one: vendors pad CPU names.
func oneSpaced(text string) string { return strings.Join(strings.Fields(text), " ") }
