package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventstreamcore/reports/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, d)
	}
}

func mustWrite(t *testing.T, root string, run record.Run) string {
	t.Helper()
	dir, err := Write(root, run)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWrite(t *testing.T) {
	root := filepath.Join(t.TempDir(), "results")
	run := sampleRun()
	dir := mustWrite(t, root, run)
	if got, want := filepath.Base(dir), "20260301T123000Z_sample_0123456789ab"; got != want {
		t.Errorf("folder %s, want %s", got, want)
	}
	for _, name := range []string{
		"bench.txt", "run.json", "manifest.json", "pipeline_rate=200000.FAIL", "pipeline_rate=200000.received-stored.hgrm",
		"pipeline_rate=200000.received-stored-undisturbed.hgrm", "plots/pipeline_rate=200000.percentiles.svg",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(root, "latest")); err != nil || target != filepath.Base(dir) {
		t.Errorf("latest points to %q (%v)", target, err)
	}
	if run.Rows[2].Distributions[0].File != "" {
		t.Error("the caller's run was written to")
	}
	checkSums(t, dir)
	checkNothingElse(t, root, "latest", filepath.Base(dir))
}

// checkSums holds every file of dir against the manifest, and the manifest
// against the files.
func checkSums(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m record.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "manifest.json" {
			return err
		}
		b, err := os.ReadFile(path)
		sum := sha256.Sum256(b)
		name, _ := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m.Files, found); d != "" {
		t.Errorf("manifest and files differ:\n%s", d)
	}
}

func checkNothingElse(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// Profiles lie beside run.json as they came, named in it and in the manifest.
func TestWriteProfiles(t *testing.T) {
	run := richRun()
	dir := mustWrite(t, t.TempDir(), run)
	text, err := os.ReadFile(filepath.Join(dir, "profiles", "spsc.pprof"))
	if err != nil || !bytes.Equal(text, run.Profiles[0].Bytes) {
		t.Errorf("%q %v", text, err)
	}
	checkSums(t, dir)
	loaded, err := Load(dir)
	if err != nil || len(loaded.Profiles) != 1 || loaded.Profiles[0].File != "profiles/spsc.pprof" {
		t.Errorf("%+v %v", loaded.Profiles, err)
	}
}

func TestWriteNeverOverAnother(t *testing.T) {
	root := t.TempDir()
	run := sampleRun()
	first := mustWrite(t, root, run)
	before, err := os.ReadFile(filepath.Join(first, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	run.Seed++
	second := mustWrite(t, root, run)
	if second != first+"-2" {
		t.Errorf("the second went to %s", second)
	}
	after, err := os.ReadFile(filepath.Join(first, "manifest.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the first was written to (%v)", err)
	}
	if target, _ := os.Readlink(filepath.Join(root, "latest")); target != filepath.Base(second) {
		t.Errorf("latest points to %q", target)
	}
}

// A picture that cannot be drawn does not cost the run.
func TestWriteKeepsTheRun(t *testing.T) {
	root := t.TempDir()
	run := sampleRun()
	run.Rows[2].Distributions[0].Encoded = "not a histogram"
	dir, err := Write(root, run)
	if err == nil || !strings.Contains(err.Error(), "without pipeline_rate=200000.received-stored.hgrm") {
		t.Errorf("%v does not name the histogram", err)
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
	checkSums(t, dir)
	for _, half := range []string{"pipeline_rate=200000.received-stored.hgrm", "plots/pipeline_rate=200000.percentiles.svg"} {
		if _, err := os.Stat(filepath.Join(dir, half)); err == nil {
			t.Errorf("half of %s is there", half)
		}
	}
}

// A trial with a figure that is none becomes invalid, and the run is kept.
func TestWriteMarksWhatIsNotFinite(t *testing.T) {
	run := sampleRun()
	run.Rows[0].Trials[0].Values[0].Value = math.NaN()
	got, err := Load(mustWrite(t, t.TempDir(), run))
	if err != nil || got.Rows[0].Trials[0].Invalid == "" || len(got.Rows[0].Valid()) != 9 {
		t.Errorf("%+v, %v", got.Rows[0].Trials[0], err)
	}
	if !math.IsNaN(run.Rows[0].Trials[0].Values[0].Value) {
		t.Error("the caller's run was written to")
	}
}

func TestWriteLeavesNothingOnError(t *testing.T) {
	root := t.TempDir()
	run := sampleRun()
	run.Clock.Hz = math.NaN() // no JSON can say it
	if dir, err := Write(root, run); err == nil || dir != "" {
		t.Errorf("%q %v", dir, err)
	}
	checkNothingElse(t, root)
}

func TestWriteSparesAFolderCalledLatest(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "latest"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := Write(root, sampleRun())
	if err == nil || !strings.Contains(err.Error(), "not a link") {
		t.Errorf("%v", err)
	}
	if _, err := Load(dir); err != nil {
		t.Errorf("the results are lost: %v", err)
	}
}

func TestWriteUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(file, sampleRun()); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("%v names no remedy", err)
	}
}

func TestLoadReturnsWhatWasWritten(t *testing.T) {
	run := sampleRun()
	got, err := Load(mustWrite(t, t.TempDir(), run))
	if err != nil {
		t.Fatal(err)
	}
	run.Rows = named(run.Rows)
	if d := cmp.Diff(run, got); d != "" {
		t.Errorf("read back:\n%s", d)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no run", "", "not a folder of results"},
		{"cut short", `{"schema":1,"rows":[`, "damaged"},
		{"another document", `{"hello":1}`, "no schema version"},
		{"newer", `{"schema":99,"rows":{"new":"form"}}`, "schema 99"},
		{"of another type", `{"schema":1,"rows":{"a":1}}`, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.text != "" {
				if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(c.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want one line with %q", err, c.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		file  string
		width int
	}{{"table80.txt", 80}, {"table100.txt", 100}} {
		var b bytes.Buffer
		if err := Table(&b, sampleRun(), c.width, false); err != nil {
			t.Fatal(err)
		}
		golden(t, c.file, b.Bytes())
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > c.width {
				t.Errorf("%d columns in %d: %s", n, c.width, line)
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Error("colour where none was wanted")
		}
	}
}

// Colour may not move a column: stripped of it, the table is the plain one.
// TestTableNamesWhatIsNoted: what is said of a row whose every figure was judged
// stands under its own name, not under that of the row before it.
func TestTableNamesWhatIsNoted(t *testing.T) {
	host := record.Fitness{Verdict: record.Fit}
	plain, judged := tcpRow(), spscRow(host)
	judged.Steadiness = &record.Steadiness{Unsteady: true, Unit: "ns/op", Verdict: "drifts"}
	var out strings.Builder
	if err := Table(&out, record.Run{Fitness: host, Rows: []record.Row{plain, judged, spscRow(host)}}, widthDefault, false); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "UNSTEADY") })
	if at < 1 || !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "spsc ") {
		t.Errorf("the note is not under the row that it is of:\n%s", out.String())
	}
	if n := strings.Count(out.String(), "\n  spsc "); n != 1 {
		t.Errorf("a row without a note of its own is named: %d", n)
	}
}

func TestTableColour(t *testing.T) {
	var plain, colour bytes.Buffer
	if err := Table(&plain, sampleRun(), 80, false); err != nil {
		t.Fatal(err)
	}
	if err := Table(&colour, sampleRun(), 80, true); err != nil {
		t.Fatal(err)
	}
	stripped := colour.String()
	for _, p := range append([]string{unpaint}, "\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[2m") {
		stripped = strings.ReplaceAll(stripped, p, "")
	}
	if d := cmp.Diff(plain.String(), stripped); d != "" || colour.Len() == plain.Len() {
		t.Errorf("%s", d)
	}
}

// Text from elsewhere may not drive the terminal.
func TestTableEscapes(t *testing.T) {
	run := sampleRun()
	run.Host.CPU, run.Rows[3].Notes = "evil\x1b[2J", []string{"\x07bell"}
	run.Fitness.Checks[1].Value = "\x1b]0;title\x07"
	var b bytes.Buffer
	if err := Table(&b, run, 100, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07") {
		t.Errorf("control characters came through:\n%q", b.String())
	}
}

// A run that an older program wrote still loads, shows and compares. The file
// was written once, by the first program of schema 1, and is never written anew.
func TestOldSchemaLoads(t *testing.T) {
	run, err := Load(filepath.Join("testdata", "v1"))
	if err != nil || run.Schema != 1 || len(run.Rows) != 6 || len(run.Rows[2].Distributions) != 2 {
		t.Fatalf("%d rows of schema %d: %v", len(run.Rows), run.Schema, err)
	}
	if err := HTML(io.Discard, []Loaded{{Name: "v1", Run: run}, {Name: "now", Run: sampleRun()}}); err != nil {
		t.Error(err)
	}
	if err := Table(io.Discard, run, widthMin, false); err != nil {
		t.Error(err)
	}
	if _, err := Compare(Loaded{Name: "v1", Run: run}, Loaded{Name: "now", Run: sampleRun()}); err != nil {
		t.Error(err)
	}
}
