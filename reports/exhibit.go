package reports

import (
	"fmt"
	"slices"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/record"
)

// exhibit is a plot, how to read it and its numbers. The page shows all three,
// the folder keeps the plot as a file.
type exhibit struct {
	name    string // of the plot's file
	draw    func() (*chart.Figure, error)
	reading string
	numbers *table // nil: none
}

// exhibits is every plot of a run.
func exhibits(run record.Run) []exhibit {
	all := slices.Concat(verdictExhibits(run), hardwareExhibits(run))
	for _, row := range run.Rows {
		all = append(all, rowExhibits(row)...)
		all = append(all, trialsExhibits(row)...)
	}
	return all
}

// Plots writes every plot of runs into dir, as SVG, and as PNG for readers
// that show none: of one run its own, of several also what changed.
func Plots(dir string, runs []Loaded) error {
	last := runs[len(runs)-1]
	all := exhibits(last.Run)
	if len(runs) > 1 {
		all = append(all, comparisonExhibits(runs)...)
	}
	f := &folder{dir: dir, sums: map[string]string{}}
	for _, e := range all {
		f.plot("", e)
		f.picture(e)
	}
	if n := len(f.without); n > 0 { // as a rule for one reason
		return fmt.Errorf("%d of %d files are not written: %w", n, 2*len(all), f.without[0])
	}
	return nil
}

// numbersMost is how many lines of numbers stand below a plot; more are shown on
// demand.
const numbersMost = 12

// blocks is the exhibit for the page. What cannot be drawn is said.
func (e exhibit) blocks() []block {
	blocks := []block{e.drawn()}
	switch {
	case e.numbers == nil || len(e.numbers.Rows) == 0:
	case len(e.numbers.Rows) > numbersMost:
		blocks = append(blocks, block{Folded: &folded{e.numbers.Caption, []block{{Table: e.numbers}}}})
	default:
		blocks = append(blocks, block{Table: e.numbers})
	}
	return blocks
}

func (e exhibit) drawn() block {
	figure, err := e.draw()
	if err != nil {
		return block{Lines: []string{"Not drawn: " + err.Error()}}
	}
	svg, err := figure.Inline()
	if err != nil {
		return block{Lines: []string{"Not drawn: " + err.Error()}}
	}
	return block{Figure: &drawn{SVG: svg, Caption: e.reading}}
}

// show adds exhibits to the part.
func (p *part) show(all ...exhibit) {
	for _, e := range all {
		p.Blocks = append(p.Blocks, e.blocks()...)
	}
}

// fold adds exhibits that are shown on demand.
func (p *part) fold(summary string, all []exhibit) {
	var blocks []block
	for _, e := range all {
		blocks = append(blocks, e.blocks()...)
	}
	if len(blocks) > 0 {
		p.Blocks = append(p.Blocks, block{Folded: &folded{summary, blocks}})
	}
}

// sentence is text as one: a capital first, a full stop last.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first := strings.ToUpper(text[:1])
	return strings.TrimRight(first+text[1:], ".") + "."
}
