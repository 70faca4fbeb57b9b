package place

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eventstreamcore/probes/topology"
)

// machines are the captured machines that stand beside package topology and,
// where they are there, beside the repository.
func machines(t *testing.T) map[string]*topology.Topology {
	t.Helper()
	dirs, _ := filepath.Glob("../topology/testdata/guests/*")
	if len(dirs) != 4 {
		t.Fatalf("%d guests", len(dirs))
	}
	real, _ := filepath.Glob("../../../shared/topology/machines/*")
	if len(real) == 0 {
		t.Log("shared/topology/machines does not stand beside the repository: only the four guests are planned on")
	}
	list := map[string]*topology.Topology{}
	for _, dir := range append(dirs, real...) {
		root, err := topology.OpenCaptured(filepath.Join(dir, "tree.tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		if list[filepath.Base(dir)], err = topology.Read(root); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

var (
	engineOnly = []Role{Ingest, Dispatch, Realtime, Transactional, Batch, Store, Housekeeping}
	everything = Roles()
	few        = []Role{Ingest, Store}
)

// measured makes up a matrix for a machine: the model, noise, and gaps.
func measured(t *topology.Topology, random *rand.Rand) topology.Matrix {
	m := topology.NewMatrix(t.Usable())
	places := t.Places()
	for i, a := range m.CPUs {
		for _, b := range m.CPUs[:i] {
			if random.IntN(10) > 0 {
				m.Set(a, b, modelNs[places[a].To(places[b])]*(0.7+random.Float64()))
			}
		}
	}
	return m
}

// TestPlans holds every plan of every machine to what a plan must be.
func TestPlans(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for name, machine := range machines(t) {
		for _, roles := range [][]Role{engineOnly, everything, few, {Generator}, {Housekeeping}, {Sentinel, Ingest}} {
			for _, costs := range []topology.Matrix{{}, measured(machine, random)} {
				p, err := Choose(machine, costs, roles)
				if err != nil {
					t.Fatalf("%s, %v: %v", name, roles, err)
				}
				if wrong := judge(p, machine, roles); wrong != "" {
					t.Errorf("%s, %v: %s\n%+v", name, roles, wrong, p)
				}
			}
		}
	}
}

// judge says what is wrong with a plan, "" if nothing is.
func judge(p Plan, t *topology.Topology, roles []Role) string {
	usable, placed, spinning := t.Usable(), map[Role]bool{}, map[int]bool{}
	for _, thread := range p.Threads {
		if !usable.Has(thread.CPU) {
			return fmt.Sprintf("CPU %d is not usable", thread.CPU)
		}
		if len(thread.Why) == 0 {
			return thread.Name + " is not explained"
		}
		if nodes := t.MemoryNodes(); len(nodes) > 0 && (thread.Node == nil || !nodes.Has(*thread.Node)) {
			return thread.Name + " has no memory"
		}
		for _, r := range thread.Roles {
			if placed[r] || !slices.Contains(roles, r) {
				return string(r) + " is placed twice, or was not asked for"
			}
			placed[r] = true
		}
		if !slices.Equal(thread.Roles, []Role{Housekeeping}) {
			if spinning[thread.CPU] {
				return fmt.Sprintf("two spinners on CPU %d", thread.CPU)
			}
			spinning[thread.CPU] = true
		}
	}
	for _, r := range roles {
		if !placed[r] && (r != Sentinel || !strings.Contains(strings.Join(p.Notes, ";"), "sentinel")) {
			return string(r) + " is not placed"
		}
	}
	return judgeConstraints(p, t, usable, spinning)
}

func judgeConstraints(p Plan, t *topology.Topology, usable topology.List, spinning map[int]bool) string {
	places := t.Places()
	cores := map[int]bool{}
	for _, c := range usable {
		cores[places[c].Core] = true
	}
	for a := range spinning {
		for b := range spinning {
			if a != b && places[a].To(places[b]) == topology.Sibling {
				return fmt.Sprintf("CPUs %d and %d are one core", a, b)
			}
		}
	}
	if len(p.Housekeeping) == 0 {
		return "no CPUs for housekeeping"
	}
	if len(cores) >= 3 && spinning[p.Housekeeping[0]] {
		return "no CPU is left for housekeeping, though there are cores enough"
	}
	if t.Isolated == nil {
		return ""
	}
	exposed, spare := 0, map[int]bool{}
	for _, c := range t.Isolated.And(usable) {
		spare[places[c].Core] = true
	}
	for c := range spinning {
		if !t.Isolated.Has(c) {
			exposed++
		}
		delete(spare, places[c].Core)
	}
	if exposed > 0 && len(spare) > 0 {
		return "an isolated core is free while a spinner is exposed"
	}
	return ""
}

// TestNoWorseThanRandom compares the search with the best of 200 random layouts
// of the same crew, by the same prediction and prices, on other seeds than the
// search's own.
func TestNoWorseThanRandom(t *testing.T) {
	for name, machine := range machines(t) {
		for seed := range uint64(3) {
			random := rand.New(rand.NewPCG(seed, 99))
			costs := topology.Matrix{}
			if seed > 0 {
				costs = measured(machine, random)
			}
			s := newSite(machine, costs)
			l := newLayout(s, assemble(s, everything))
			found := search(l.clone())
			for range 200 {
				draw := l.clone()
				copy(draw.at, random.Perm(len(s.cpus)))
				if draw.total() < found.total()-1e-6 {
					t.Errorf("%s, seed %d: %v costs %.2f, a random %v costs %.2f", name, seed, found.at, found.total(), draw.at, draw.total())
				}
			}
		}
	}
}

// TestEqualToBruteForce compares with a dumb enumeration of every assignment on
// the machines of eight CPUs and fewer.
func TestEqualToBruteForce(t *testing.T) {
	checked := 0
	for name, machine := range machines(t) {
		if len(machine.Usable()) > 8 {
			continue
		}
		for seed := range uint64(4) {
			random := rand.New(rand.NewPCG(seed, 5))
			costs := topology.Matrix{}
			if seed > 0 {
				costs = measured(machine, random)
			}
			s := newSite(machine, costs)
			l := newLayout(s, assemble(s, everything))
			found, least := search(l.clone()), math.Inf(1)
			every(len(s.cpus), l.at, 0, func() { least = min(least, l.total()) })
			if math.Abs(found.total()-least) > 1e-6 {
				t.Errorf("%s, seed %d: %v costs %v, the best costs %v", name, seed, found.at, found.total(), least)
			}
			checked++
		}
	}
	if checked < 12 {
		t.Errorf("only %d machines are small enough", checked)
	}
}

// every puts the threads on the CPUs in every way.
func every(cpus int, at []int, from int, visit func()) {
	if from == len(at) {
		visit()
		return
	}
	for c := range cpus {
		if !slices.Contains(at[:from], c) {
			at[from] = c
			every(cpus, at, from+1, visit)
		}
	}
}

// TestClimbReachesTheBest holds the search for large machines to the one for
// small ones, on machines where both can be had.
func TestClimbReachesTheBest(t *testing.T) {
	for name, machine := range machines(t) {
		s := newSite(machine, measured(machine, rand.New(rand.NewPCG(8, 8))))
		l := newLayout(s, crew{threads: [][]Role{{Ingest}, {Dispatch}, {Realtime, Transactional, Batch, Store}}})
		if assignments(len(s.cpus), len(l.at)) > exhaustMax || len(s.cpus) < len(l.at) {
			continue
		}
		best, climbed := exhaust(l.clone()), math.Inf(1)
		for _, start := range append(domains(l), draws(l)...) {
			c := climb(start)
			climbed = min(climbed, c.total())
		}
		if climbed > best.total()*1.02+1e-6 {
			t.Errorf("%s: climbing reaches %.2f, the best is %.2f", name, climbed, best.total())
		}
	}
}

func TestErrors(t *testing.T) {
	machine := machines(t)["qemu-memless-node"]
	for _, test := range []struct {
		roles []Role
		says  string
	}{
		{nil, "no roles"},
		{[]Role{"polish"}, `"polish"`},
		{[]Role{Ingest, Store, Ingest}, "twice"},
	} {
		if _, err := Choose(machine, topology.Matrix{}, test.roles); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v, want %q", test.roles, err, test.says)
		}
	}
}
