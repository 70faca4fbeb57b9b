package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"eventstreamcore/reports/record"
)

// Load reads the run of a folder of results, of this schema or an older one.
// Errors name the folder and the remedy.
func Load(dir string) (record.Run, error) {
	var run record.Run
	name := filepath.Join(dir, runFile)
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return run, fmt.Errorf("%s is not a folder of results: it has no %s (make one with esc bench)", dir, runFile)
	case err != nil:
		return run, fmt.Errorf("reading results: %w", err)
	}
	return run, parse(name, text, &run)
}

// JSON writes the newest of runs, as in run.json.
func JSON(w io.Writer, runs []Loaded) error {
	if len(runs) == 0 {
		return fmt.Errorf("there is no run to write")
	}
	return writeJSON(w, runs[len(runs)-1].Run)
}

func readJSON(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func parse(name string, text []byte, run *record.Run) error {
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("%s is damaged: %w (restore it, or measure again)", name, err)
	}
	if head.Schema < 1 {
		return fmt.Errorf("%s is not a run: it has no schema version", name)
	}
	if head.Schema > record.Schema {
		return fmt.Errorf("%s is of schema %d and this program reads up to %d: use the esc that wrote it, or a newer one", name, head.Schema, record.Schema)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(run); err != nil {
		return fmt.Errorf("%s is damaged: %w (restore it, or measure again)", name, err)
	}
	return nil
}

// Loaded is a run and what it is called: the name of its folder.
type Loaded struct {
	Name string
	Run  record.Run
	Lack []string // what the folder should hold and does not
}

// LoadAll loads each of dirs. A link to a folder that is among them as well, as
// "latest" is where all of them are given, counts once.
func LoadAll(dirs []string) ([]Loaded, error) {
	real := make([]string, len(dirs))
	for i, dir := range dirs {
		var err error
		if real[i], err = filepath.EvalSymlinks(dir); err != nil {
			return nil, fmt.Errorf("%s is not a folder of results: %w (make one with esc bench)", dir, err)
		}
	}
	var all []Loaded
	for i, dir := range dirs {
		if isLink(dir) && given(dirs, real, i) {
			continue
		}
		run, err := Load(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, Loaded{Name: filepath.Base(real[i]), Run: run, Lack: lacking(real[i])}) // "latest" says less than where it points
	}
	return all, nil
}

// given says whether the folder of i is also given before it, or by its own name.
func given(dirs, real []string, i int) bool {
	for j := range dirs {
		if j != i && real[j] == real[i] && (j < i || !isLink(dirs[j])) {
			return true
		}
	}
	return false
}

func isLink(path string) bool {
	info, err := os.Lstat(strings.TrimRight(path, string(filepath.Separator)))
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// lacking is the files that the manifest of dir names and that are not there.
func lacking(dir string) []string {
	var m record.Manifest
	if err := readJSON(filepath.Join(dir, manifestFile), &m); err != nil {
		return []string{"The manifest cannot be read, so that nothing says whether files are missing."}
	}
	var lack []string
	for name := range m.Files {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			lack = append(lack, fmt.Sprintf("The file %s is gone from the folder.", name))
		}
	}
	slices.Sort(lack)
	return lack
}
