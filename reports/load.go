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
