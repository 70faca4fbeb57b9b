package reports

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strconv"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/record"
)

// HTML writes a page about runs, oldest first: one file that asks nothing of
// anywhere, for one run its verdicts and every part of it, for more of them
// what changed. Every figure is drawn from the runs; nothing of the folders is
// copied in.
func HTML(w io.Writer, runs []Loaded) error {
	if len(runs) == 0 {
		return fmt.Errorf("a report needs a run")
	}
	last := runs[len(runs)-1]
	p := page{Title: "Measured on " + last.Run.Host.Name, About: subtitle(last.Run), Summary: tally(last.Run)}
	if len(runs) > 1 {
		p.Title = fmt.Sprintf("%s against %s", last.Name, runs[0].Name)
		if len(runs) > 2 {
			p.Title += fmt.Sprintf(", and %s between", plural(len(runs)-2, "run"))
		}
		p.add(comparisonParts(runs)...)
	}
	p.add(runParts(last)...)
	return p.write(w)
}

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

// page is what the template shows.
type page struct {
	Title, About string
	Summary      string // the outcome, in a line
	Parts        []part
	Style        template.CSS
	Script       template.JS
	Policy       string
}

// part is a chapter; its parts are sections.
type part struct {
	ID, Title string
	Short     string // for the contents, "" for Title
	Lead      string // how to read what follows
	Blocks    []block
	Parts     []part
}

// TitleParts is the title cut where it may break, ShortParts the name in the
// contents.
func (p part) TitleParts() []string { return nameParts(p.Title) }
func (p part) ShortParts() []string { return nameParts(cmp.Or(p.Short, p.Title)) }

// block is one thing in a part: a table, a figure, lines of text, numbered
// notes, or something shown on demand. One of its fields is set.
type block struct {
	Table  *table
	Figure *drawn
	Lines  []string
	Notes  []string
	Folded *folded
}

// drawn is a figure with what stands below it.
type drawn struct {
	SVG     string // of package chart, which escapes
	Caption string
}

// Markup is the figure as it stands in the page.
func (d drawn) Markup() template.HTML { return template.HTML(d.SVG) }

// folded is blocks behind a line of text.
type folded struct {
	Summary string
	Blocks  []block
}

// table is a table whose columns sort.
type table struct {
	Caption string
	Head    []column
	Rows    [][]cell
}

type column struct {
	Name   string
	Number bool
}

// cell is a cell of a table: a text, then smaller what it is about and the name
// of a row, which may break at its parts. Sort, where set, is what it sorts by.
type cell struct {
	Text, About, Name string
	Sort              string
	Class             string
	Link              string // to a file of the folder, that Text names
}

// NameParts is the name cut where it may break.
func (c cell) NameParts() []string { return nameParts(c.Name) }

// nameParts is name cut after each of its joints.
func nameParts(name string) []string { return joints.FindAllString(name, -1) }

var joints = regexp.MustCompile(`[^/,=-]*[/,=-]?`)

// heads makes the columns of a table; one whose name starts with # holds numbers.
func heads(names ...string) []column {
	var columns []column
	for _, n := range names {
		name, isNumber := strings.CutPrefix(n, "#")
		columns = append(columns, column{name, isNumber})
	}
	return columns
}

// number is a cell that shows text and sorts by v.
func number(text string, v float64) cell {
	if text == "" {
		return cell{}
	}
	return cell{Text: text, Sort: strconv.FormatFloat(v, 'g', -1, 64)}
}

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

func (p *page) add(parts ...part) {
	for _, x := range parts {
		if len(x.Blocks) > 0 || len(x.Parts) > 0 {
			p.Parts = append(p.Parts, x)
		}
	}
}

// write shows the page under a policy that allows its own style and script by
// their checksums, and nothing else.
func (p *page) write(w io.Writer) error {
	p.Style = template.CSS(chart.Theme() + "\n" + pageStyle)
	p.Script = template.JS(pageScript)
	p.Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
		sourceHash(string(p.Style)), sourceHash(string(p.Script)))
	return pageTemplate.Execute(w, p)
}

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func subtitle(run record.Run) string {
	text := fmt.Sprintf("%s, %s, commit %s, %s", run.Host.CPU, run.Fitness.Verdict, run.Build.Commit, run.Started.UTC().Format("2006-01-02 15:04 UTC"))
	if run.Partial {
		text += ", PARTIAL"
	}
	return oneSpaced(text)
}
