package reports

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/jsonschema-go/jsonschema"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

func written(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What Write writes is what Schema publishes, and damage is not.
func TestSchema(t *testing.T) {
	text := written(t, Schema)
	golden(t, "schema.json", text)
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := filepath.Glob(filepath.Join("testdata", "v*", "run.json"))
	if err != nil || len(stored) != record.Schema {
		t.Errorf("testdata holds %q (%v), want a run of each of %d versions", stored, err, record.Schema)
	}
	if reference, err := filepath.Glob(filepath.Join("..", "results", "reference", "run.json")); err == nil {
		stored = append(stored, reference...)
	}
	for _, name := range stored {
		var v any
		if err := readJSON(name, &v); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := mustWrite(t, t.TempDir(), richRun())
	run, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, old, new string
		valid          bool
	}{
		{"as written", "", "", true},
		{"with a property of a later program", `"seed": 42,`, `"seed": 42, "later": true,`, true},
		{"with text for a number", `"seed": 42,`, `"seed": "42",`, false},
		{"of a newer schema", `"schema": 1,`, `"schema": 2,`, false},
		{"without rows", `"rows": [`, `"roes": [`, false},
	} {
		var v any
		if err := json.Unmarshal([]byte(strings.Replace(string(run), c.old, c.new, 1)), &v); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCSV(t *testing.T) {
	run := richRun()
	lines, err := csv.NewReader(bytes.NewReader(written(t, func(w io.Writer) error { return CSV(w, run) }))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := 1
	for _, row := range run.Rows {
		for _, trial := range row.Trials {
			want += len(trial.Values)
		}
	}
	if len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	matrix := string(written(t, func(w io.Writer) error { return matrixCSV(w, run.Matrices[0]) }))
	if matrix != "\"CPU to CPU, ns\",0,1\n0,,130\n1,128,\n" {
		t.Errorf("matrix %q", matrix)
	}
	percentiles := string(written(t, func(w io.Writer) error { return percentilesCSV(w, run) }))
	if !strings.Contains(percentiles, "Pipeline/rate=200000-2,received-stored,200000,99.9,") {
		t.Errorf("%.300s", percentiles)
	}
}

func TestAction(t *testing.T) {
	for _, bigger := range []bool{true, false} {
		var entries []actionEntry
		if err := json.Unmarshal(written(t, func(w io.Writer) error { return Action(w, sampleRun(), bigger) }), &entries); err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			t.Error("nothing")
		}
		for _, e := range entries {
			if judge.MoreIsBetter(e.Unit) != bigger || e.Value <= 0 || e.Name == "" || strings.Contains(e.Name, "Mpsc") {
				t.Errorf("bigger %t: %+v", bigger, e)
			}
		}
	}
}

func TestMarkdown(t *testing.T) {
	golden(t, "summary.md", written(t, func(w io.Writer) error { return Markdown(w, []Loaded{{Name: "a", Run: sampleRun()}}) }))
	slow := slower(sampleRun(), 1.2)
	golden(t, "changes.md", written(t, func(w io.Writer) error {
		return Markdown(w, []Loaded{{Name: "old", Run: sampleRun()}, {Name: "new", Run: slow}})
	}))
}

// Text from elsewhere stays text in a table of markdown.
func TestMarkdownEscapes(t *testing.T) {
	run := sampleRun()
	run.Fitness.Checks[1].Value, run.Fitness.Checks[1].Mend = "a|b<script>", "x`y\nz"
	run.Rows[0].Workload = "[click](http://x)|<b>"
	text := string(written(t, func(w io.Writer) error { return Markdown(w, []Loaded{{Name: "a", Run: run}}) }))
	for _, bad := range []string{"a|b", "<script>", "<b>", "x`y", "([", " [click]"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q came through", bad)
		}
	}
}

func TestComparisonTable(t *testing.T) {
	slow := slower(sampleRun(), 1.2)
	c, err := Compare(Loaded{Name: "old", Run: sampleRun()}, Loaded{Name: "new", Run: slow})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "compare80.txt", written(t, func(w io.Writer) error { return ComparisonTable(w, c, 80, false) }))
	for line := range strings.Lines(string(written(t, func(w io.Writer) error { return ComparisonTable(w, c, 80, false) }))) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// The log reads back to the same histograms; the row with intervals has one line
// for each.
func TestHlog(t *testing.T) {
	run := richRun()
	row := run.Rows[2]
	text := written(t, func(w io.Writer) error { return writeHlog(w, run, row) })
	if bytes.Contains(text, []byte("BaseTime")) {
		t.Error("a BaseTime, which readers add twice")
	}
	r := hdrhistogram.NewHistogramLogReader(bytes.NewReader(text))
	counts, starts := map[string][]int64{}, []int64{}
	for {
		h, err := r.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		counts[h.Tag()] = append(counts[h.Tag()], h.TotalCount())
		starts = append(starts, h.StartTimeMs()-run.Started.UnixMilli())
	}
	if want := []int64{0, 100, 0, 0}; !slices.Equal(starts, want) {
		t.Errorf("lines start %d ms after the run, want %d", starts, want)
	}
	raw, quiet := row.Distributions[0].Count, row.Distributions[1].Count
	if got := counts["received-stored"]; len(got) != 2 || got[0] != raw || got[1] != quiet {
		t.Errorf("received-stored: %d", got)
	}
	if got := counts["received-stored-undisturbed"]; len(got) != 1 || got[0] != quiet {
		t.Errorf("undisturbed: %d", got)
	}
}

// The text reads back by the rule of HdrHistogram's plotter, plotFiles.html: what
// is no comment and has four fields is a point of 1/(1-percentile) and a value,
// and what is no number is left out. Each point is on the histogram's curve.
func TestHgrmByThePlottersRule(t *testing.T) {
	d := tails()[0]
	hist, err := Histogram(d)
	if err != nil {
		t.Fatal(err)
	}
	points, before := 0, 0.0
	for line := range strings.Lines(string(written(t, func(w io.Writer) error { return writeHgrm(w, d) }))) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(fields) != 4 {
			continue
		}
		value, errY := strconv.ParseFloat(fields[0], 64)
		inverse, errX := strconv.ParseFloat(fields[3], 64)
		if errX != nil || errY != nil || math.IsInf(inverse, 0) { // JavaScript takes "inf" for no number
			continue
		}
		percent := 100 - 100/inverse
		if want := float64(hist.ValueAtPercentile(percent)); inverse < 10_000 && math.Abs(value-want) > 0.02*want { // what two decimals of the inverse leave open
			t.Errorf("%q: the histogram has %v there", line, want)
		}
		if points++; inverse < before {
			t.Errorf("%q: points do not ascend", line)
		}
		before = inverse
	}
	if points < 50 {
		t.Errorf("%d points", points)
	}
}

// readerForJavaScript is where node finds hdr-histogram-js: installed by npm,
// where there is one.
func readerForJavaScript(t *testing.T) (nodePath string) {
	t.Helper()
	if exec.Command("node", "-e", "require('hdr-histogram-js')").Run() == nil {
		return os.Getenv("NODE_PATH")
	}
	if testing.Short() {
		t.Skip("not checked by another reader: -short does not install hdr-histogram-js")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "hdr-histogram-js@3")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("not checked by another reader: npm cannot install hdr-histogram-js (%v) %.100q", err, out)
	}
	return filepath.Join(dir, "node_modules")
}

// Another implementation's reader finds in the log what was written.
func TestHlogByAnotherReader(t *testing.T) {
	nodePath := readerForJavaScript(t)
	run := richRun()
	dir := mustWrite(t, t.TempDir(), run)
	script := `const hdr = require('hdr-histogram-js');
const reader = new hdr.HistogramLogReader(require('fs').readFileSync(process.argv[1], 'utf8'));
for (let h; (h = reader.nextIntervalHistogram()) != null;) console.log(h.tag, h.totalCount, h.getValueAtPercentile(50));`
	node := exec.Command("node", "-e", script, filepath.Join(dir, "pipeline_rate=200000.hlog"))
	node.Env = append(os.Environ(), "NODE_PATH="+nodePath)
	out, err := node.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	hist, err := Histogram(run.Rows[2].Distributions[0])
	if err != nil {
		t.Fatal(err)
	}
	want := "received-stored 200000 " + exact(float64(hist.ValueAtPercentile(50)))
	if !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 4 {
		t.Errorf("%q, want four lines with %q", out, want)
	}
}

// Every plot of the page is a file too, in both forms, and never over what is there.
func TestPlots(t *testing.T) {
	dir := t.TempDir()
	runs := []Loaded{{Name: "a", Run: richRun()}, {Name: "b", Run: slower(richRun(), 1.2)}}
	if err := Plots(dir, runs); err != nil {
		t.Fatal(err)
	}
	svgs, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if shown := strings.Count(html(t, runs...), "<svg "); len(svgs) != shown {
		t.Errorf("%d plots as files, %d in the page", len(svgs), shown)
	}
	for _, svg := range svgs {
		text, err := os.ReadFile(strings.TrimSuffix(svg, ".svg") + ".png")
		if err != nil || !bytes.HasPrefix(text, []byte("\x89PNG")) {
			t.Errorf("%s: %v", svg, err)
		}
		if info, err := os.Stat(svg); err != nil || info.Size() > 100<<10 {
			t.Errorf("%s: %d bytes (%v)", svg, info.Size(), err)
		}
	}
	name := filepath.Join(dir, "pipeline_rate=200000.percentiles.png")
	if err := os.WriteFile(name, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Plots(dir, runs); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a second time into the same folder: %v, want one line", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "mine" {
		t.Errorf("it was written over: %.20q %v", text, err)
	}
}

func TestBars(t *testing.T) {
	d := sampleRun().Rows[2].Distributions[0]
	line := bars(d)
	if !strings.HasPrefix(line, "received-stored ") || !strings.Contains(line, "█") || len([]rune(line)) > 70 {
		t.Error(line)
	}
	for _, bad := range []record.Distribution{{}, {Encoded: "?", Count: 1}} {
		if got := bars(bad); got != "" {
			t.Errorf("%+v draws %q", bad, got)
		}
	}
}
