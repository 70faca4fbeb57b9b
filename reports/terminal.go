package reports

import (
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"eventstreamcore/reports/record"
)

// Terminal says how to write a Table to f: its width in columns, and whether it
// takes colour. What is not a terminal gets widthDefault and none; NO_COLOR and
// TERM=dumb forbid it anywhere.
func Terminal(f *os.File) (width int, color bool) {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return widthDefault, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		width = widthDefault
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours of verdicts: ANSI's eight, which every theme of a terminal defines.
var paints = map[string]string{
	record.Pass: "\x1b[32m", record.Fit: "\x1b[32m",
	record.Fail: "\x1b[1;31m", record.Unfit: "\x1b[1;31m",
	record.Inconclusive: "\x1b[33m", record.Degraded: "\x1b[33m",
	record.NotMeasured: "\x1b[2m",
	record.Better:      "\x1b[32m", record.Worse: "\x1b[1;31m", record.Same: "\x1b[2m",
}

const unpaint = "\x1b[0m"

// paint colours text by the verdict that it starts with.
func (p *printer) paint(text string) string {
	if !p.color {
		return text
	}
	for verdict, paint := range paints {
		if strings.HasPrefix(text, verdict) {
			return paint + verdict + unpaint + text[len(verdict):]
		}
	}
	return text
}

// shown is how many columns text takes up on a terminal.
func shown(text string) int {
	for _, paint := range paints {
		text = strings.ReplaceAll(text, paint, "")
	}
	return utf8.RuneCountInString(strings.ReplaceAll(text, unpaint, ""))
}

// columns writes lines aligned, the first of them as the head; sides has an l or
// an r for each column. Where the width is short the first column gives way: what
// follows its first word goes on a line below.
func (p *printer) columns(lines [][]string, sides string) {
	widths, total := measure(lines, 2)
	folded := total > p.width
	if folded {
		widths, total = measure(firstWords(lines), 1)
	}
	gap := strings.Repeat(" ", 2)
	if folded {
		gap = " "
	}
	for n, cells := range lines {
		first, rest := cells[0], ""
		if folded {
			first, rest, _ = strings.Cut(first, " ")
		}
		p.row(append([]string{first}, cells[1:]...), widths, sides, gap)
		if rest != "" {
			p.wrap("    ", rest)
		}
		if n == 0 {
			p.line("%s", strings.Repeat("-", min(total, p.width)))
		}
	}
}

// measure is the width of each column, and of all with gaps between them.
func measure(lines [][]string, gap int) (widths []int, total int) {
	widths = make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, w := range widths {
		total += w
	}
	return widths, total + gap*(len(widths)-1)
}

// firstWords is lines with nothing but the first word in their first column.
func firstWords(lines [][]string) [][]string {
	var short [][]string
	for _, cells := range lines {
		first, _, _ := strings.Cut(cells[0], " ")
		short = append(short, append([]string{first}, cells[1:]...))
	}
	return short
}

func (p *printer) row(cells []string, widths []int, sides, gap string) {
	var b strings.Builder
	for i, c := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if i > 0 {
			b.WriteString(gap)
		}
		if sides[i] == 'r' {
			b.WriteString(pad + c)
		} else {
			b.WriteString(p.paint(c) + pad)
		}
	}
	p.line("%s", b.String())
}
