// Package reports turns a run into what people and other tools read: the table
// on a terminal, the folder of results, its plots.
//
// It takes the position that a report adds nothing: every figure is drawn from
// the run's record and can be recomputed from the files beside it, and what is
// missing is named rather than left out. A run's figures are formatted nowhere
// else. A folder appears whole or not at all and is never written over.
package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"eventstreamcore/reports/record"
)

// Names within a folder of results.
const (
	runFile        = "run.json"
	manifestFile   = "manifest.json"
	benchFile      = "bench.txt"
	profilesFolder = "profiles"
	plotsFolder    = "plots"
	latest         = "latest"

	trialsFile      = "trials.csv"
	percentilesFile = "percentiles.csv"
)

// Write makes the folder of run's results under root, points root/latest to it
// and returns its path. It fills in the File of each Distribution in the copy
// that it writes; run itself stays as it is. The folder is built aside and
// renamed into place; an error leaves nothing behind, unless the path is
// returned with it: then the run is kept, and the error names what could not be
// made from it.
func Write(root string, run record.Run) (string, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("results folder: %w (choose another with --out)", err)
	}
	aside, err := os.MkdirTemp(root, ".writing-")
	if err != nil {
		return "", fmt.Errorf("results folder: %w (choose another with --out)", err)
	}
	defer func() { _ = os.RemoveAll(aside) }() // nothing is left of it after the rename
	without, err := fill(aside, run)
	if err != nil {
		return "", fmt.Errorf("writing results: %w", err)
	}
	path, err := settle(aside, filepath.Join(root, folderName(run)))
	if err != nil {
		return "", fmt.Errorf("writing results: %w", err)
	}
	if len(without) > 0 {
		err = fmt.Errorf("results are in %s, without %w", path, errors.Join(without...))
	}
	return path, errors.Join(err, Point(root, latest, path))
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9.+=,-]+`)

// fileName makes name fit for a file: no separators, spaces or surprises.
func fileName(name string) string { return unfit.ReplaceAllString(name, "_") }

// folderName is <UTC>_<host>_<commit>.
func folderName(run record.Run) string {
	commit := run.Build.Commit
	if len(commit) > 12 {
		commit = commit[:12]
	}
	if commit == "" {
		commit = "unknown"
	}
	host := run.Host.Name
	if host == "" {
		host = "unknown"
	}
	return run.Started.UTC().Format("20060102T150405Z") + "_" + fileName(host) + "_" + fileName(commit)
}

const settleTries = 1000 // runs of one second, host and commit before something is wrong

// settle renames aside to path, or to path-2, path-3 .. where that is taken.
func settle(aside, path string) (string, error) {
	if err := os.Chmod(aside, 0o755); err != nil {
		return "", err
	}
	for i := 1; i <= settleTries; i++ {
		name := path
		if i > 1 {
			name += "-" + strconv.Itoa(i)
		}
		if _, err := os.Lstat(name); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return name, os.Rename(aside, name)
	}
	return "", fmt.Errorf("%s: %d folders of that name are there already", path, settleTries)
}

// Point makes root/name, latest for example, a link to the folder path in root,
// replacing an older link at once.
func Point(root, name, path string) error {
	link := filepath.Join(root, name)
	if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is not a link: results are in %s; move it aside to have them pointed to", link, path)
	}
	fresh := filepath.Join(root, "."+name+"-"+filepath.Base(path))
	if err := os.Symlink(filepath.Base(path), fresh); err != nil {
		return fmt.Errorf("pointing to results: %w", err)
	}
	if err := os.Rename(fresh, link); err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("pointing to results: %w", err)
	}
	return nil
}
