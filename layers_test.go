package eventstreamcore_test

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the table of ARCHITECTURE.md: where each package stands.
type layers struct {
	rank    map[string]int    // by package, higher is nearer the user
	row     map[string]string // by package, the row's name
	planned map[string]bool   // packages that the table promises
}

var packageCell = regexp.MustCompile("`([a-z0-9/]+)`( \\(planned\\))?")

func parseLayers(page string) (layers, error) {
	l := layers{rank: map[string]int{}, row: map[string]string{}, planned: map[string]bool{}}
	table := rows(section(page, "## Layers"))
	for i, cells := range table {
		for _, m := range packageCell.FindAllStringSubmatch(cells[1], -1) {
			if _, twice := l.rank[m[1]]; twice {
				return l, fmt.Errorf("the layer table names %s twice", m[1])
			}
			l.rank[m[1]], l.row[m[1]], l.planned[m[1]] = len(table)-i, cells[0], m[2] != ""
		}
	}
	if len(l.rank) == 0 {
		return l, fmt.Errorf(`no packages under "## Layers"`)
	}
	return l, nil
}

// edge is one import that a file makes.
type edge struct {
	file string
	from string // the importing package's folder
	to   string // a package's folder if it is ours, else its import path
	ours bool
}

// imports lists what the files of this module import. A test, internal or
// external, belongs to the package in whose folder it lies.
func imports(files []source) (edges []edge) {
	foreign := ownModules(files)
	for _, f := range files {
		if f.file == nil || slices.ContainsFunc(foreign, func(dir string) bool { return within(f.path, dir) }) {
			continue
		}
		for _, spec := range f.file.Imports {
			to, _ := strconv.Unquote(spec.Path.Value)
			folder, ours := strings.CutPrefix(to, module+"/")
			edges = append(edges, edge{file: f.path, from: f.dir(), to: folder, ours: ours})
		}
	}
	return edges
}

// upward lists the imports that tests alone may make against the table, as
// "file imports package", with the reason.
var upward = map[string]string{}

// check lists what is wrong with edges, one line each, and strikes out of
// unused the exceptions that it met.
func (l layers) check(edges []edge, unused map[string]string) (complaints []string) {
	for _, e := range edges {
		excuse := e.file + " imports " + e.to
		if _, ok := unused[excuse]; ok && strings.HasSuffix(e.file, "_test.go") {
			delete(unused, excuse)
			continue
		}
		if why := l.wrong(e); why != "" {
			complaints = append(complaints, fmt.Sprintf("%s: %s", excuse, why))
		}
	}
	return complaints
}

// wrong says why an import may not be; "" if it may.
func (l layers) wrong(e edge) string {
	switch {
	case e.to == "C":
		return "no cgo in the product"
	case !e.ours && within(e.to, "github.com/nats-io") && e.from != "engine/cluster":
		return "nats belongs to engine/cluster alone"
	case !e.ours || e.from == e.to || e.from == ".":
		return ""
	case within(e.from, "engine") && !within(e.to, "engine"):
		return "the engine does not know its harness"
	case l.rank[e.from] == 0 || l.rank[e.to] == 0:
		return "" // said once a package, by strangers
	}
	switch cmp.Compare(l.rank[e.from], l.rank[e.to]) {
	case -1:
		return fmt.Sprintf("upward, from %q to %q", l.row[e.from], l.row[e.to])
	case 0:
		return fmt.Sprintf("sideways: both stand in %q", l.row[e.from])
	}
	return ""
}

// strangers lists the packages that the table lacks, and those of the table
// that the tree lacks.
func (l layers) strangers(folders map[string]bool) (complaints []string) {
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		switch {
		case l.rank[dir] == 0 && dir != ".":
			complaints = append(complaints, dir+": a package that the layer table of ARCHITECTURE.md lacks")
		case l.planned[dir]:
			complaints = append(complaints, dir+": is there, so strike its (planned) from ARCHITECTURE.md")
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(l.rank)) {
		if !folders[dir] && !l.planned[dir] {
			complaints = append(complaints, dir+": in the layer table, but there is no such package")
		}
	}
	return complaints
}

// packages is the set of this module's folders with Go files in them.
func packages(files []source) map[string]bool {
	dirs, foreign := map[string]bool{}, ownModules(files)
	for _, f := range files {
		if f.file != nil && !slices.ContainsFunc(foreign, func(dir string) bool { return within(f.path, dir) }) {
			dirs[f.dir()] = true
		}
	}
	return dirs
}

func TestLayers(t *testing.T) {
	table, err := parseLayers(architecture(t))
	if err != nil {
		t.Fatal(err)
	}
	unused := maps.Clone(upward)
	for _, complaint := range table.check(imports(tree(t)), unused) {
		t.Error(complaint)
	}
	for _, complaint := range table.strangers(packages(tree(t))) {
		t.Error(complaint)
	}
	for excuse, why := range unused {
		t.Errorf("the exception %q (%s) is no longer needed: strike it", excuse, why)
	}
}

// sampleLayers is a small house for the test of the test.
const sampleLayers = `
## Layers

| row | packages |
|---|---|
| top | ` + "`cmd/esc`" + ` |
| harness | ` + "`probes` · `probes/later` (planned)" + ` |
| middle | ` + "`engine/left` (holds) · `engine/right` · `engine/cluster`" + ` |
| ground | ` + "`engine/cpu`" + ` |

## Next
`

func TestLayersRefuses(t *testing.T) {
	const good = `
-- cmd/esc/main.go --
package main
import ("fmt"; "eventstreamcore/engine/left"; "eventstreamcore/probes")
-- probes/a.go --
package probes
import "eventstreamcore/engine/cpu"
-- engine/left/a.go --
package left
import "eventstreamcore/engine/cpu"
-- engine/left/a_test.go --
package left_test
import "eventstreamcore/engine/left"
-- engine/right/a.go --
package right
-- engine/cluster/a.go --
package cluster
import "github.com/nats-io/nats.go"
-- engine/cpu/a.go --
package cpu
-- workloads/peers/go.mod --
module eventstreamcore/workloads/peers
-- workloads/peers/a.go --
package peers
import "github.com/nats-io/nats.go"
`
	table, err := parseLayers(sampleLayers)
	if err != nil {
		t.Fatal(err)
	}
	excuses := func() map[string]string {
		return map[string]string{"engine/left/b_test.go imports engine/right": "a pair that meets in tests"}
	}
	for _, test := range []struct{ name, extra, want string }{
		{"good", "", ""},
		{"upward", "-- engine/cpu/b.go --\npackage cpu\nimport \"eventstreamcore/engine/left\"\n", `upward, from "ground" to "middle"`},
		{"upward under a build tag", "-- engine/cpu/b.go --\n//go:build plan9\n\npackage cpu\nimport \"eventstreamcore/engine/left\"\n", "upward"},
		{"sideways", "-- engine/left/b.go --\npackage left\nimport \"eventstreamcore/engine/right\"\n", `sideways: both stand in "middle"`},
		{"sideways in a test", "-- engine/right/b_test.go --\npackage right_test\nimport \"eventstreamcore/engine/left\"\n", "sideways"},
		{"excused in a test", "-- engine/left/b_test.go --\npackage left_test\nimport \"eventstreamcore/engine/right\"\n", ""},
		{"harness in the engine", "-- engine/left/b.go --\npackage left\nimport \"eventstreamcore/probes\"\n", "does not know its harness"},
		{"harness in the engine's test", "-- engine/left/c_test.go --\npackage left\nimport \"eventstreamcore/probes\"\n", "does not know its harness"},
		{"nats elsewhere", "-- cmd/esc/b.go --\npackage main\nimport \"github.com/nats-io/nats-server/v2/server\"\n", "engine/cluster alone"},
		{"cgo", "-- engine/cpu/b.go --\npackage cpu\nimport \"C\"\n", "no cgo"},
		{"unknown package", "-- engine/new/a.go --\npackage new\n", "layer table of ARCHITECTURE.md lacks"},
		{"planned package is there", "-- probes/later/a.go --\npackage later\n", "strike its (planned)"},
	} {
		files := archive(t, good+test.extra)
		got := append(table.check(imports(files), excuses()), table.strangers(packages(files))...)
		if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
			t.Errorf("%s: got %q, want one complaint with %q", test.name, got, test.want)
		}
	}
	for _, test := range []struct{ name, page string }{
		{"no table", "# Title\n\n## Elsewhere\n"},
		{"named twice", strings.Replace(sampleLayers, "`engine/right`", "`engine/left`", 1)},
	} {
		if _, err := parseLayers(test.page); err == nil {
			t.Errorf("%s: the table was accepted", test.name)
		}
	}
	if got := table.strangers(map[string]bool{"cmd/esc": true}); len(got) != 5 {
		t.Errorf("packages that are not there: got %q, want five complaints", got)
	}
}
