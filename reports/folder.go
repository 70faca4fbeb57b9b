package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"eventstreamcore/reports/chart"
	"eventstreamcore/reports/record"
)

// folder is a folder of results while it is written: it keeps the checksum of
// each file. The first error of the run itself ends it; a picture or a copy that
// cannot be made is not worth losing a run for, and is only kept to be told.
type folder struct {
	dir     string
	sums    map[string]string
	err     error
	without []error
}

// fill writes every file of run's results into dir. without are the files that
// could not be made from it.
func fill(dir string, run record.Run) (without []error, err error) {
	f := &folder{dir: dir, sums: map[string]string{}}
	run.Rows, run.Profiles = sound(named(run.Rows)), filed(run.Profiles)
	f.put(runFile, func(w io.Writer) error { return writeJSON(w, run) })
	f.texts(run)
	for _, row := range run.Rows {
		f.row(run, row)
	}
	f.hardware(run)
	for _, p := range run.Profiles {
		f.put(p.File, func(w io.Writer) error { _, err := w.Write(p.Bytes); return err })
	}
	for _, e := range exhibits(run) {
		f.plot(plotsFolder, e)
	}
	f.put(manifestFile, func(w io.Writer) error { return writeJSON(w, manifest(run, f.sums)) })
	return f.without, f.err
}

// texts writes the forms of the whole run.
func (f *folder) texts(run record.Run) {
	f.put(benchFile, func(w io.Writer) error { return Bench(w, run) })
	f.put(trialsFile, func(w io.Writer) error { return CSV(w, run) })
	f.put(percentilesFile, func(w io.Writer) error { return percentilesCSV(w, run) })
}

// row writes the files that belong to one row: histograms, and the trials that
// do not count.
func (f *folder) row(run record.Run, row record.Row) {
	name := fileName(row.Name())
	for _, d := range row.Distributions {
		f.derive(d.File, func(w io.Writer) error { return writeHgrm(w, d) })
	}
	if len(row.Distributions) > 0 {
		f.derive(name+".hlog", func(w io.Writer) error { return writeHlog(w, run, row) })
	}
	if len(row.Valid()) < len(row.Trials) {
		f.put(name+".FAIL", func(w io.Writer) error { return writeInvalid(w, run, row) })
	}
}

// hardware writes what was measured of the machine itself.
func (f *folder) hardware(run record.Run) {
	for _, m := range run.Matrices {
		f.derive(fileName(m.Name)+".csv", func(w io.Writer) error { return matrixCSV(w, m) })
	}
	for _, s := range run.Caches {
		f.derive(fileName(s.Name)+".csv", func(w io.Writer) error { return sweepCSV(w, s) })
	}
}

// plot writes the plot of an exhibit as SVG, if there is anything to draw.
func (f *folder) plot(under string, e exhibit) {
	f.drawn(path.Join(under, fileName(e.name)+".svg"), e, (*chart.Figure).SVG)
}

// picture writes it as PNG.
func (f *folder) picture(e exhibit) { f.drawn(fileName(e.name)+".png", e, (*chart.Figure).PNG) }

func (f *folder) drawn(name string, e exhibit, write func(*chart.Figure, io.Writer) error) {
	figure, err := e.draw()
	if errors.Is(err, chart.ErrEmpty) {
		return
	}
	f.derive(name, func(w io.Writer) error {
		if err != nil {
			return err
		}
		return write(figure, w)
	})
}

// derive writes a file that can be made again from run.json.
func (f *folder) derive(name string, write func(io.Writer) error) {
	failed := f.err
	if f.put(name, write); failed == nil && f.err != nil {
		f.without, f.err = append(f.without, f.err), nil
	}
}

// put writes one file and notes its checksum. Two of one name get numbers.
func (f *folder) put(name string, write func(io.Writer) error) {
	if f.err != nil {
		return
	}
	stem := name
	for i := 2; f.sums[name] != ""; i++ {
		name = fmt.Sprintf("%s-%d", stem, i)
	}
	sum, err := create(f.path(name), write)
	if err != nil {
		f.err = fmt.Errorf("%s: %w", name, err)
		return
	}
	f.sums[name] = sum
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

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
	if err != nil {
		_ = os.Remove(name) // half a file is worse than none
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

// filed is profiles with the name of each one's file filled in.
func filed(profiles []record.Profile) []record.Profile {
	profiles = slices.Clone(profiles)
	for i, p := range profiles {
		profiles[i].File = profileFile(p.Cell)
	}
	return profiles
}

func profileFile(cell string) string { return path.Join(profilesFolder, fileName(cell)+".pprof") }

// sound is rows without values that no JSON can say: such a trial counts as
// invalid, so that it costs neither the run nor its honesty.
func sound(rows []record.Row) []record.Row {
	for i := range rows {
		rows[i].Trials = slices.Clone(rows[i].Trials)
		for j := range rows[i].Trials {
			t := &rows[i].Trials[j]
			finite := slices.DeleteFunc(slices.Clone(t.Values), func(v record.Value) bool { return math.IsNaN(v.Value) || math.IsInf(v.Value, 0) })
			if len(finite) < len(t.Values) && t.Invalid == "" {
				t.Invalid = "a figure of it is not finite"
			}
			t.Values = finite
		}
	}
	return rows
}
