package reports

import (
	"io"
	"unicode/utf8"

	"eventstreamcore/reports/record"
)

// ComparisonTable writes a comparison for a terminal of width columns.
func ComparisonTable(w io.Writer, c record.Comparison, width int, color bool) error {
	p := &printer{width: max(width, widthMin), color: color}
	p.wrap("old      ", c.Old)
	p.wrap("new      ", c.New)
	for i, line := range comparisonRemarks(c) {
		head := "         "
		if i == 0 {
			head = "changes  "
		}
		p.wrap(head, line)
	}
	p.line("")
	lines := [][]string{{"row", "unit", "old", "new", "ratio", "interval", "p", "change"}}
	for _, x := range byWeight(c) {
		lines = append(lines, []string{folding(x.Row, p.width), x.Unit, figure(x.Old.Value, x.Unit), figure(x.New.Value, x.Unit), times3(x.Ratio),
			times3(x.RatioLow) + "-" + times3(x.RatioHi), pValue(x.PHolm), x.Direction})
	}
	p.columns(lines, "llrrrrrl")
	p.line("")
	p.wrap("", howTested(c))
	_, err := io.WriteString(w, p.String())
	return err
}

const sharedColumns = 62 // what the other columns of a comparison take up

// folding is a row's name, cut in two at a slash where it would take more room
// than the line has: columns puts the second part below.
func folding(name string, width int) string {
	room := width - sharedColumns
	if utf8.RuneCountInString(name) <= room {
		return printable(name)
	}
	for i, r := range name {
		if r == '/' {
			return printable(name[:i+1] + " " + name[i+1:])
		}
	}
	return printable(name)
}
