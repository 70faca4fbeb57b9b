package reports

import (
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"eventstreamcore/reports/record"
)

// Terminal says how to write a Table to f: its width in columns, and whether it
// takes colour. What is not a terminal gets WidthDefault and none; NO_COLOR and
// TERM=dumb forbid it anywhere.
func Terminal(f *os.File) (width int, color bool) {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return WidthDefault, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		width = WidthDefault
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours of verdicts: ANSI's eight, which every theme of a terminal defines.
var paints = map[string]string{
	record.Pass: "\x1b[32m", record.Fit: "\x1b[32m",
	record.Fail: "\x1b[1;31m", record.Unfit: "\x1b[1;31m",
	record.Inconclusive: "\x1b[33m", record.Degraded: "\x1b[33m",
	record.NotMeasured: "\x1b[2m",
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

const columnGap = 2

// columns writes lines aligned, the first of them as the head; sides has an l or
// an r for each column. The first column gives way when the width is short.
func (p *printer) columns(lines [][]string, sides string) {
	widths := make([]int, len(sides))
	for _, cells := range lines {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	total := -columnGap
	for _, w := range widths {
		total += w + columnGap
	}
	if over := total - p.width; over > 0 {
		widths[0] = max(widths[0]-over, columnMin)
	}
	for n, cells := range lines {
		p.row(cells, widths, sides)
		if n == 0 {
			p.line("%s", strings.Repeat("-", min(total, p.width)))
		}
	}
}

const columnMin = 14 // the first column is not cut below this

func (p *printer) row(cells []string, widths []int, sides string) {
	var b strings.Builder
	for i, c := range cells {
		c = clip(c, widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if i > 0 {
			b.WriteString(strings.Repeat(" ", columnGap))
		}
		if sides[i] == 'r' {
			b.WriteString(pad + c)
		} else {
			b.WriteString(p.paint(c) + pad)
		}
	}
	p.line("%s", b.String())
}

// clip cuts s to width, marking the cut.
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "~"
}
