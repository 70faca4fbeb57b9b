package reports

import (
	"fmt"
	"io"
	"strings"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Markdown writes a summary for the page of a CI run: the verdicts of the
// newest of runs, and what changed since the oldest where there are more.
func Markdown(w io.Writer, runs []Loaded) error {
	if len(runs) == 0 {
		return fmt.Errorf("a summary needs a run")
	}
	last := runs[len(runs)-1]
	var b strings.Builder
	if len(runs) > 1 {
		c, err := Compare(runs[0], last)
		if err != nil {
			fmt.Fprintf(&b, "**Not compared:** %s\n\n", md(err.Error()))
		} else {
			markdownChanges(&b, c)
		}
	}
	markdownVerdicts(&b, last.Run)
	_, err := io.WriteString(w, b.String())
	return err
}

// MarkdownComparison writes a comparison alone.
func MarkdownComparison(w io.Writer, c record.Comparison) error {
	var b strings.Builder
	markdownChanges(&b, c)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownVerdicts(b *strings.Builder, run record.Run) {
	fmt.Fprintf(b, "### Verdicts: %s\n\n%s\n\n", tally(run), md(subtitle(run)))
	b.WriteString("| target | row | verdict | measured | bound | 95 % interval | x-floor | why |\n|---|---|---|--:|--:|--:|--:|---|\n")
	for _, row := range run.Rows {
		for _, j := range row.Judgements {
			text := judged(row, j, new(notes))
			fmt.Fprintf(b, "| %s | `%s` | **%s** | %s | %s | %s | %s | %s |\n", j.Target, md(row.Name()), j.Verdict, text[2], md(text[1]), text[3], text[5], md(strings.Join(j.Reasons, "; ")))
		}
	}
	var missing []string
	for _, t := range judge.Missing(run.Rows) {
		missing = append(missing, t.ID)
	}
	if len(missing) > 0 {
		fmt.Fprintf(b, "\nNot measured in this run: %s.\n", strings.Join(missing, ", "))
	}
	for _, c := range run.Fitness.Checks {
		if c.Verdict == record.Warn || c.Verdict == record.Bad {
			fmt.Fprintf(b, "\n- %s **%s**: %s", c.Verdict, md(c.Name), md(withWhy(c)))
			if c.Mend != "" {
				fmt.Fprintf(b, " (mend: `%s`)", md(c.Mend))
			}
		}
	}
	b.WriteString("\n")
}

const unchangedMax = 10 // rows without a change that a summary still lists

func markdownChanges(b *strings.Builder, c record.Comparison) {
	fmt.Fprintf(b, "### %s against %s\n\n", md(c.New), md(c.Old))
	for _, line := range comparisonRemarks(c) {
		fmt.Fprintf(b, "- %s\n", md(line))
	}
	fmt.Fprintf(b, "- %s\n", md(howTested(c)))
	b.WriteString("\n| row | unit | change | old | new | ratio | 95 % interval | p, adjusted |\n|---|---|---|--:|--:|--:|--:|--:|\n")
	same := 0
	for _, x := range byWeight(c) {
		if x.Direction == record.Same {
			if same++; same > unchangedMax {
				continue
			}
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s-%s | %s |\n", md(x.Row), md(x.Unit), x.Direction,
			figure(x.Old.Value, x.Unit), figure(x.New.Value, x.Unit), times3(x.Ratio), times3(x.RatioLow), times3(x.RatioHi), md(pValue(x.PHolm)))
	}
	if same > unchangedMax {
		fmt.Fprintf(b, "\nand %s without a significant change.\n", plural(same-unchangedMax, "row"))
	}
	b.WriteString("\n")
}

// md is text that cannot become markup: from elsewhere, or with our own signs.
func md(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "`", "'", "\n", " ", "[", "\\[").Replace(printable(text))
}
