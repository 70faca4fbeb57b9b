package reports

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
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

// Loaded is a run and what it is called: the name of its folder.
type Loaded struct {
	Name string
	Run  record.Run
	Lack []string // what the folder should hold and does not
}

// LoadAll loads each of dirs.
func LoadAll(dirs []string) ([]Loaded, error) {
	var all []Loaded
	for _, dir := range dirs {
		run, err := Load(dir)
		if err != nil {
			return nil, err
		}
		real, err := filepath.EvalSymlinks(dir) // "latest" says less than where it points
		if err != nil {
			return nil, fmt.Errorf("reading results: %w", err)
		}
		all = append(all, Loaded{Name: filepath.Base(real), Run: run, Lack: lacking(real)})
	}
	return all, nil
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

// TitleParts is the title cut where it may break.
func (p part) TitleParts() []string { return nameParts(p.Title) }

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
	SVG     template.HTML // of package chart, which escapes
	Caption string
}

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
}

// NameParts is the name cut after each slash and comma.
func (c cell) NameParts() []string { return nameParts(c.Name) }

func nameParts(name string) []string {
	var parts []string
	for _, p := range strings.SplitAfter(name, "/") {
		parts = append(parts, strings.SplitAfter(p, ",")...)
	}
	return parts
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

// drawnBlock is figure as a block. A figure without data is none, an error says so.
func drawnBlock(figure *chart.Figure, err error, caption string) block {
	if err != nil {
		return block{Lines: []string{"Not drawn: " + err.Error()}}
	}
	svg, err := figure.Inline()
	if err != nil {
		return block{Lines: []string{"Not drawn: " + err.Error()}}
	}
	return block{Figure: &drawn{SVG: template.HTML(svg), Caption: caption}}
}

func subtitle(run record.Run) string {
	text := fmt.Sprintf("%s, %s, commit %s, %s", run.Host.CPU, run.Fitness.Verdict, run.Build.Commit, run.Started.UTC().Format("2006-01-02 15:04 UTC"))
	if run.Partial {
		text += ", PARTIAL"
	}
	return oneSpaced(text)
}
