// Package eventstreamcore_test holds the rules of the house as tests: which
// package may import which, how long a function may grow, what must be said.
//
// A rule that only a reviewer knows is broken in the week that he is away, so
// each stands here with a sample that breaks it; a rule that lets its own bad
// sample pass fails. The layer table and the table of names are read from
// ARCHITECTURE.md, which is thereby kept true.
package eventstreamcore_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// module is this module's path; its packages are named below without it.
const module = "eventstreamcore"

// source is one text file of the tree.
type source struct {
	path string // from the root, with slashes
	text string
	file *ast.File // nil unless it is Go
	fset *token.FileSet
}

func (s source) dir() string { return path.Dir(s.path) }

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// lines is the number of lines that node n takes.
func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

func parseSource(name, text string) (source, error) {
	s := source{path: name, text: text, fset: token.NewFileSet()}
	if path.Ext(name) != ".go" {
		return s, nil
	}
	var err error
	s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// archive parses a sample: files in txtar form.
func archive(t *testing.T, text string) (files []source) {
	t.Helper()
	for _, f := range txtar.Parse([]byte(text)).Files {
		s, err := parseSource(f.Name, string(f.Data))
		if err != nil {
			t.Fatalf("sample %s: %v", f.Name, err)
		}
		files = append(files, s)
	}
	return files
}

// tree is every text file under the root, whatever its build tags: what builds
// only on another system obeys the same rules.
func tree(t *testing.T) []source {
	t.Helper()
	files, err := readTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found only %d files: the tests must run in the root of a checkout", len(files))
	}
	return files
}

var readTree = sync.OnceValues(func() (files []source, err error) {
	root := os.DirFS(".")
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(name):
			return fs.SkipDir
		case d.IsDir() || !isText(name):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		s, err := parseSource(name, string(text))
		files = append(files, s)
		return err
	})
	return files, err
})

// skipped names the folders that hold no source of ours.
func skipped(dir string) bool {
	switch path.Base(dir) {
	case ".", ".ci", ".github":
		return false
	case "bin", "results":
		return !strings.Contains(dir, "/") // the top-level ones alone
	case "testdata", "vendor":
		return true
	}
	return strings.HasPrefix(path.Base(dir), ".")
}

var textKinds = []string{".go", ".s", ".sh", ".md", ".yml", ".yaml", ".mod"}

func isText(name string) bool {
	return slices.Contains(textKinds, path.Ext(name)) || name == "Makefile" || name == ".ci/run"
}

// byFolder groups files by the folder that they lie in.
func byFolder(files []source) map[string][]source {
	groups := map[string][]source{}
	for _, f := range files {
		groups[f.dir()] = append(groups[f.dir()], f)
	}
	return groups
}

// ownModules lists the folders below the root that hold a module of their own.
func ownModules(files []source) (dirs []string) {
	for _, f := range files {
		if path.Base(f.path) == "go.mod" && f.dir() != "." {
			dirs = append(dirs, f.dir())
		}
	}
	return dirs
}

// within reports whether name lies in folder dir or is it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// section is the part of a markdown page under the heading given.
func section(page, heading string) string {
	_, rest, found := strings.Cut(page, "\n"+heading+"\n")
	if !found {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// rows are the cells of a markdown table, without its two lines of heading.
func rows(part string) (table [][]string) {
	for line := range strings.Lines(part) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		table = append(table, cells)
	}
	return table[min(2, len(table)):]
}

func architecture(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
