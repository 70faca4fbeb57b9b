package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// Verify checks a folder of results against itself: every file against the
// manifest, every form against run.json, every percentile against the raw
// histograms, every verdict against the trials. It returns what does not agree,
// and an error where the folder cannot be read. A partial run is as good as any.
func Verify(dir string) ([]string, error) {
	run, err := Load(dir)
	if err != nil {
		return nil, err
	}
	wrong, err := checksums(dir)
	if err != nil {
		return nil, err
	}
	forms, err := rewritten(dir, run)
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, forms...)
	for _, row := range run.Rows {
		wrong = append(wrong, percentilesOf(row)...)
		wrong = append(wrong, partsOf(row)...)
		wrong = append(wrong, judgementsOf(row, run.Fitness)...)
	}
	return wrong, nil
}

// later is the files that may be added to a folder when it is done.
var later = []string{manifestFile, "report.html", "comparison.html", "comparison.json", "comparison.md"}

// checksums holds the files against the manifest, both ways.
func checksums(dir string) ([]string, error) {
	var m record.Manifest
	if err := readJSON(filepath.Join(dir, manifestFile), &m); err != nil {
		return nil, fmt.Errorf("%s cannot be checked: %w", dir, err)
	}
	var wrong []string
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found[name] = true
		switch want, listed := m.Files[name]; {
		case slices.Contains(later, name):
		case !listed:
			wrong = append(wrong, name+" is not in the manifest")
		case want != sum(text):
			wrong = append(wrong, name+" is not what was written: its checksum differs")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be checked: %w", dir, err)
	}
	for name := range m.Files {
		if !found[name] {
			wrong = append(wrong, name+" is gone")
		}
	}
	slices.Sort(wrong)
	return wrong, nil
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// rewritten writes the run anew and compares: what stands in bench.txt and the
// other texts must come out of run.json again. Plots are left out, for another
// version of the program may draw them otherwise.
func rewritten(dir string, run record.Run) ([]string, error) {
	aside, err := os.MkdirTemp("", "esc-verify-")
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	defer func() { _ = os.RemoveAll(aside) }() // a copy, wanted no more
	f := &folder{dir: aside, sums: map[string]string{}}
	f.texts(run)
	for _, row := range run.Rows {
		f.row(run, row)
	}
	var wrong []string
	for _, err := range append(f.without, f.err) {
		if err != nil {
			wrong = append(wrong, "run.json does not yield "+err.Error())
		}
	}
	for name := range f.sums {
		if strings.HasSuffix(name, ".svg") {
			continue
		}
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			continue // checksums says so
		}
		want, err := os.ReadFile(f.path(name))
		if err != nil {
			return nil, fmt.Errorf("verifying: %w", err)
		}
		if !bytes.Equal(have, want) {
			wrong = append(wrong, name+" does not follow from run.json")
		}
	}
	slices.Sort(wrong)
	return wrong, nil
}

// percentilesOf holds the percentiles of row against its histograms: those of
// the distributions, and those of each trial that kept its own.
func percentilesOf(row record.Row) []string {
	var wrong []string
	for _, d := range row.Distributions {
		hist, err := Histogram(d)
		if err != nil {
			wrong = append(wrong, row.Name()+": "+err.Error())
			continue
		}
		again := judge.NewDistribution(d.Name, hist)
		again.Part, again.File, again.Encoded = d.Part, d.File, d.Encoded
		if !reflect.DeepEqual(d, again) {
			wrong = append(wrong, fmt.Sprintf("%s: the figures of %s are not those of its histogram", row.Name(), d.Name))
		}
	}
	for i, t := range row.Trials {
		if t.Encoded == "" {
			continue
		}
		hist, err := hdrhistogram.Decode([]byte(t.Encoded))
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s, trial %d: its histogram does not decode: %v", row.Name(), i+1, err))
			continue
		}
		for _, v := range t.Values {
			if p, ok := judge.PercentileOf(v.Unit); ok && float64(hist.ValueAtPercentile(p)) != v.Value {
				wrong = append(wrong, fmt.Sprintf("%s, trial %d: %s is %v and its histogram says %d", row.Name(), i+1, v.Unit, v.Value, hist.ValueAtPercentile(p)))
			}
		}
	}
	return wrong
}

// judgementsOf judges row again. A target that this program does not know, or
// knows with another bound, is of another version and is left out.
func judgementsOf(row record.Row, host record.Fitness) []string {
	var wrong []string
	for _, j := range row.Judgements {
		t, ok := judge.ByID(j.Target)
		if !ok || t.Bound != j.Bound || t.Unit != j.Unit {
			continue
		}
		again := judge.Row(t, row, host)
		if again.Verdict != j.Verdict || again.Center != j.Center || again.Low != j.Low || again.High != j.High || again.N != j.N {
			wrong = append(wrong, fmt.Sprintf("%s: the verdict on %s is %s at %v, and its trials give %s at %v", row.Name(), j.Target, j.Verdict, j.Center, again.Verdict, again.Center))
		}
	}
	return wrong
}
