package topology

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// fixtures finds the captured machines: four guests beside this file, and
// fourteen real machines in a folder that stands beside the repository.
func fixtures(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/guests/*")
	if err != nil || len(dirs) != 4 {
		t.Fatalf("testdata/guests: %d machines, %v", len(dirs), err)
	}
	machines, _ := filepath.Glob("../../../shared/topology/machines/*")
	if len(machines) == 0 {
		t.Log("shared/topology/machines does not stand beside the repository: only the four guests are checked")
	}
	return append(dirs, machines...)
}

func capture(t *testing.T, file string) *captured {
	t.Helper()
	root, err := OpenCaptured(file)
	if err != nil {
		t.Fatal(err)
	}
	return root.(*captured)
}

// expected is what is known of a machine from other sources. A nil is "not checked".
type expected struct {
	Files        map[string]*string
	CPUDirs      string `json:"cpu_dirs"`
	Online       string
	Offline      string
	Allowed      struct{ CPUs, Nodes *string }
	SMT          *int
	Packages     []Group
	Dies         []Group
	Clusters     []Group
	Cores        []Core
	PUs          []PU
	Nodes        []node
	Caches       []Cache
	MemoryCaches []MemoryCache `json:"memory_side_caches"`
	Kinds        []Kind        `json:"cpu_kinds"`
	Alternatives map[string][]string
}

type node struct {
	ID          int
	CPUs        string
	CPUsListed  *string `json:"cpus_listed"`
	MemoryBytes *int64  `json:"memory_bytes"`
	Distances   map[string]*int
}

func TestFixtures(t *testing.T) {
	for _, dir := range fixtures(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want expected
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			got, err := Read(capture(t, filepath.Join(dir, "tree.tar.gz")))
			if err != nil {
				t.Fatal(err)
			}
			compareCPUs(t, got, want)
			compareGroups(t, got, want)
			compareNodes(t, got, want)
			compareCaches(t, got, want)
			for _, d := range got.Doubts {
				t.Log("doubt:", d)
			}
		})
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// sameSets compares two partitions, whatever their order.
func sameSets(t *testing.T, what string, got, want []string, alternatives ...string) {
	t.Helper()
	sort.Strings(got)
	sort.Strings(want)
	sort.Strings(alternatives)
	if !slices.Equal(got, want) && (len(alternatives) == 0 || !slices.Equal(got, alternatives)) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func compareCPUs(t *testing.T, got *Topology, want expected) {
	for name, text := range want.Files {
		switch {
		case text == nil && got.Files[name] != nil:
			t.Errorf("files %s: %q, want null", name, *got.Files[name])
		case text != nil && got.Files[name] == nil:
			t.Errorf("files %s: null, want %q", name, *text)
		case text != nil && *got.Files[name] != *text:
			t.Errorf("files %s: %q, want %q", name, *got.Files[name], *text)
		}
	}
	same(t, "cpu_dirs", got.CPUDirs.String(), want.CPUDirs)
	same(t, "online", got.Online.String(), want.Online)
	same(t, "offline", got.Offline.String(), want.Offline)
	if want.Allowed.CPUs != nil {
		same(t, "allowed cpus", got.Allowed.CPUs.String(), *want.Allowed.CPUs)
	}
	if want.Allowed.Nodes == nil {
		same(t, "allowed nodes", got.Allowed.Nodes, nil)
	} else {
		same(t, "allowed nodes", got.Allowed.Nodes.String(), *want.Allowed.Nodes)
	}
	if want.SMT != nil {
		same(t, "smt", *got.SMT, *want.SMT)
	}
	same(t, "number of pus", len(got.PUs), len(want.PUs))
	for i, w := range want.PUs {
		g := got.PUs[i]
		if w.Online {
			same(t, "pu", describe(g, true), describe(w, true))
		} else {
			same(t, "offline pu", describe(g, false), describe(w, false))
		}
	}
}

func describe(p PU, online bool) string {
	if !online {
		return fmt.Sprint(p.CPU, p.Online)
	}
	return fmt.Sprint(p.CPU, p.Online, idText(p.Package), idText(p.Die), idText(p.Core), p.Allowed, p.Nodes)
}

func idText(id *int) string {
	if id == nil {
		return "null"
	}
	return fmt.Sprint(*id)
}

func groupTexts(groups []Group) (texts []string) {
	for _, g := range groups {
		texts = append(texts, idText(g.ID)+":"+g.CPUs.String())
	}
	return texts
}

func compareGroups(t *testing.T, got *Topology, want expected) {
	sameSets(t, "packages", groupTexts(got.Packages), groupTexts(want.Packages))
	sameSets(t, "dies", groupTexts(got.Dies), groupTexts(want.Dies))
	sameSets(t, "clusters", groupTexts(got.Clusters), groupTexts(want.Clusters))
	cores := func(list []Core) (texts []string) {
		for _, c := range list {
			texts = append(texts, c.CPUs.String())
		}
		return texts
	}
	sameSets(t, "cores", cores(got.Cores), cores(want.Cores), want.Alternatives["cores"]...)
	kinds := func(list []Kind) (texts []string) {
		for _, k := range list {
			texts = append(texts, fmt.Sprint(k.CPUs, k.Info))
		}
		return texts
	}
	sameSets(t, "cpu_kinds", kinds(got.Kinds), kinds(want.Kinds))
}

func compareNodes(t *testing.T, got *Topology, want expected) {
	same(t, "number of nodes", len(got.Nodes), len(want.Nodes))
	for i, w := range want.Nodes {
		g := got.Nodes[i]
		same(t, "node id", g.ID, w.ID)
		same(t, fmt.Sprintf("node %d cpus", w.ID), g.CPUs.String(), w.CPUs)
		if w.CPUsListed != nil {
			same(t, fmt.Sprintf("node %d cpus_listed", w.ID), g.CPUsListed.String(), *w.CPUsListed)
		}
		if w.MemoryBytes == nil {
			same(t, "memory", g.MemoryBytes, nil)
		} else {
			same(t, "memory", *g.MemoryBytes, *w.MemoryBytes)
		}
		same(t, "number of distances", len(g.Distances), len(w.Distances))
		for other, d := range w.Distances {
			same(t, "distance", g.Distances[other], *d)
		}
	}
	memory := func(list []MemoryCache) (texts []string) {
		for _, c := range list {
			texts = append(texts, fmt.Sprint(c.Level, *c.SizeBytes, c.Nodes))
		}
		return texts
	}
	sameSets(t, "memory_side_caches", memory(got.MemoryCaches), memory(want.MemoryCaches))
}

func compareCaches(t *testing.T, got *Topology, want expected) {
	texts := func(list []Cache) (texts []string) {
		for _, c := range list {
			text := fmt.Sprintf("L%d %s of %v", c.Level, c.Type, c.CPUs)
			if c.SizeBytes != nil {
				text += fmt.Sprintf(" %d bytes", *c.SizeBytes)
			}
			if c.LineBytes != nil {
				text += fmt.Sprintf(" %d a line", *c.LineBytes)
			}
			texts = append(texts, text)
		}
		return texts
	}
	sameSets(t, "caches", texts(got.Caches), texts(want.Caches))
}

// TestFixturesAsJSON holds that what is printed can be read back and names
// every key that expected.json has, but those that say where it came from.
func TestFixturesAsJSON(t *testing.T) {
	for _, dir := range fixtures(t) {
		got, err := Read(capture(t, filepath.Join(dir, "tree.tar.gz")))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var back Topology
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(back)
		same(t, "read back", string(again), string(text))
		var keys map[string]any
		_ = json.Unmarshal(text, &keys)
		for _, key := range strings.Fields("schema files cpu_dirs online offline allowed smt packages dies clusters cores pus nodes caches memory_side_caches cpu_kinds") {
			if _, there := keys[key]; !there {
				t.Errorf("%s: no key %q", dir, key)
			}
		}
	}
}
