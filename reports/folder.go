package reports

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/record"
)

// folder is a folder of results while it is written: it keeps the checksum of
// each file and the first error, after which it writes nothing more.
type folder struct {
	dir  string
	sums map[string]string
	err  error
}

// fill writes every file of run's results into dir.
func fill(dir string, run record.Run) error {
	f := &folder{dir: dir, sums: map[string]string{}}
	run.Rows = named(run.Rows)
	f.put(benchFile, func(w io.Writer) error { return Bench(w, run) })
	f.put(runFile, func(w io.Writer) error { return writeJSON(w, run) })
	for _, row := range run.Rows {
		f.row(run, row)
	}
	f.put(manifestFile, func(w io.Writer) error { return writeJSON(w, manifest(run, f.sums)) })
	return f.err
}

// row writes the files that belong to one row: histograms, a plot, the trials
// that do not count.
func (f *folder) row(run record.Run, row record.Row) {
	for _, d := range row.Distributions {
		f.put(d.File, func(w io.Writer) error { return writeHgrm(w, d) })
	}
	f.plot(row)
	if len(row.Valid()) < len(row.Trials) {
		f.put(fileName(row.Name())+".FAIL", func(w io.Writer) error { return writeInvalid(w, run, row) })
	}
}

// plot writes the percentile curve of a row that has one.
func (f *folder) plot(row record.Row) {
	figure, err := percentilePlot(row)
	switch {
	case errors.Is(err, chart.ErrEmpty):
	case err != nil:
		f.err = cmp.Or(f.err, err)
	default:
		f.put(path.Join(plotsFolder, fileName(row.Name())+".svg"), figure.SVG)
	}
}

// put writes one file and notes its checksum.
func (f *folder) put(name string, write func(io.Writer) error) {
	if f.err != nil {
		return
	}
	sum, err := create(filepath.Join(f.dir, filepath.FromSlash(name)), write)
	if err != nil {
		f.err = fmt.Errorf("%s: %w", name, err)
		return
	}
	f.sums[name] = sum
}

func create(name string, write func(io.Writer) error) (sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	err = write(io.MultiWriter(file, hash))
	if closed := file.Close(); err == nil {
		err = closed
	}
	return hex.EncodeToString(hash.Sum(nil)), err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func manifest(run record.Run, sums map[string]string) record.Manifest {
	return record.Manifest{
		Schema: record.Schema, Started: run.Started, Ended: run.Ended, Command: run.Command, Seed: run.Seed,
		Build: run.Build, Host: run.Host.Name, Kernel: run.Host.Kernel, Fitness: run.Fitness.Verdict,
		Partial: run.Partial, Files: sums,
	}
}

// named is rows with the name of each distribution's file filled in.
func named(rows []record.Row) []record.Row {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].Distributions = slices.Clone(rows[i].Distributions)
		for j := range rows[i].Distributions {
			d := &rows[i].Distributions[j]
			name := rows[i].Name()
			if !strings.HasSuffix(name, "="+d.Name) { // a row may be of that distribution alone
				name += "." + d.Name
			}
			d.File = fileName(name + ".hgrm")
		}
	}
	return rows
}
