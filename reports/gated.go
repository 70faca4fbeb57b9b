package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"eventstreamcore/reports/record"
)

// GatedTable writes what a gate came to for a terminal of width columns: the
// findings that are not a pass, then how many are.
func GatedTable(w io.Writer, g record.Gated, width int, color bool) error {
	p := &printer{width: max(width, widthMin), color: color}
	p.line("gate     %s", p.paint(g.Verdict))
	for _, r := range g.Reasons {
		p.wrap("         ", r)
	}
	lines, reasons := [][]string{{"row", "unit", "rule", "found", "interval", "allowed", "verdict"}}, notes{}
	for _, f := range bySeverity(g.Findings) {
		if f.Verdict != record.Pass {
			lines = append(lines, findingCells(f, &reasons))
		}
	}
	p.line("")
	if len(lines) > 1 {
		p.columns(lines, "lllrrrl")
	}
	for i, n := range reasons {
		p.wrap(fmt.Sprintf("  [%d] ", i+1), n)
	}
	p.line("%s", passed(g))
	_, err := io.WriteString(w, p.String())
	return err
}

func passed(g record.Gated) string {
	n := 0
	for _, f := range g.Findings {
		if f.Verdict == record.Pass {
			n++
		}
	}
	return fmt.Sprintf("%d of %s passed", n, plural(len(g.Findings), "finding"))
}

// findingCells is the cells of one finding; shares are written in percent.
func findingCells(f record.Finding, n *notes) []string {
	found, low, high, allowed := figure(f.Value, f.Unit), "", "", figure(f.Allowed, f.Unit)
	span := interval(f.Value, f.Low, f.High, f.Unit)
	if f.Relative {
		found, low, high, allowed = percent(f.Value), percent(f.Low), percent(f.High), percent(f.Allowed)
		span = low + ".." + high
	}
	if f.Low == 0 && f.High == 0 {
		span = ""
	}
	return []string{folding(f.Row, widthMin), f.Unit, f.Rule, found, span, allowed, f.Verdict + n.mark(f.Reasons)}
}

func percent(share float64) string { return fmt.Sprintf("%+.1f%%", 100*share) }

// bySeverity is findings with the worst first.
func bySeverity(findings []record.Finding) []record.Finding {
	order := map[string]int{record.Fail: 0, record.NotMeasured: 1, record.Inconclusive: 2, record.Pass: 3}
	return slices.SortedStableFunc(slices.Values(findings), func(a, b record.Finding) int {
		return cmp.Compare(order[a.Verdict], order[b.Verdict])
	})
}

// MarkdownGate writes what a gate came to for the page of a CI run.
func MarkdownGate(w io.Writer, g record.Gated) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### Gate: %s\n\n%s.\n\n", g.Verdict, passed(g))
	for _, r := range g.Reasons {
		fmt.Fprintf(&b, "- %s\n", md(r))
	}
	b.WriteString("\n| row | unit | rule | found | interval | allowed | verdict | why |\n|---|---|---|--:|--:|--:|---|---|\n")
	for _, f := range bySeverity(g.Findings) {
		if f.Verdict != record.Pass {
			c := findingCells(f, new(notes))
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | **%s** | %s |\n", md(f.Row), md(f.Unit), md(f.Rule), md(c[3]), md(c[4]), md(c[5]), f.Verdict, md(strings.Join(f.Reasons, "; ")))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
