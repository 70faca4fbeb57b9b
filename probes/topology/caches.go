package topology

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// each runs f for every i under n, on all the CPUs we have: a machine of
// thousands of CPUs has a hundred thousand files.
func each(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	group.Wait()
}

// named is a cache as one CPU names it: level, type and sharers, and where its
// other facts are.
type named struct {
	level int
	kind  string
	cpus  List
	dir   string
}

// cacheKey is one kind of cache of one CPU.
type cacheKey struct {
	level, cpu int
	kind       string
}

// readCaches finds every cache once, however many CPUs name it.
func (r *reader) readCaches(t *Topology) {
	t.Caches = []Cache{}
	taken := map[cacheKey]List{}
	ask := t.Online
	if len(ask) > askedMax {
		ask = List{}
		for _, core := range t.Cores {
			ask = append(ask, core.CPUs[0])
		}
	}
	r.askCaches(t, ask, taken)
	has := map[int]bool{}
	for key := range taken {
		has[key.cpu] = true
	}
	if len(ask) < len(t.Online) { // and those whom nobody has named
		r.askCaches(t, t.Online.filter(func(c int) bool { return !has[c] }), taken)
	}
	slices.SortFunc(t.Caches, func(a, b Cache) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Type, b.Type), cmp.Compare(a.CPUs[0], b.CPUs[0]))
	})
}

// askCaches adds the caches that these CPUs name.
func (r *reader) askCaches(t *Topology, cpus List, taken map[cacheKey]List) {
	byCPU := make([][]named, len(cpus))
	each(len(cpus), func(i int) { byCPU[i] = r.cachesOf(cpus[i], t.Online) })
	for i, list := range byCPU {
		c := cpus[i]
		for _, n := range list {
			if other, done := taken[cacheKey{n.level, c, n.kind}]; done {
				if !slices.Equal(other, n.cpus) {
					r.doubt("CPU %d says its L%d %s is shared by %v, CPU %d says %v", c, n.level, n.kind, n.cpus, other[0], other)
				}
				continue
			}
			n.cpus = n.cpus.filter(func(o int) bool { _, done := taken[cacheKey{n.level, o, n.kind}]; return !done })
			for _, o := range n.cpus {
				taken[cacheKey{n.level, o, n.kind}] = n.cpus
			}
			t.Caches = append(t.Caches, r.cache(n))
		}
	}
}

// cachesOf lists what one CPU says of its caches. Sharers that are not given
// are the CPU alone.
func (r *reader) cachesOf(c int, online List) (list []named) {
	root := fmt.Sprintf("%s/cpu%d/cache", cpuRoot, c)
	for _, index := range r.numbered(root, "index") {
		dir := fmt.Sprintf("%s/index%d/", root, index)
		level := r.positive(dir + "level")
		if level == nil {
			continue
		}
		kind, _ := r.raw(dir + "type")
		kind = trimmed(kind)
		if kind != "Data" && kind != "Instruction" && kind != "Unified" {
			r.doubt("%stype: %.20q is no type of cache", dir, kind)
			continue
		}
		cpus, ok := r.set(dir+"shared_cpu_map", dir+"shared_cpu_list")
		if cpus = cpus.And(online); !ok || !cpus.Has(c) {
			cpus = List{c}
		}
		list = append(list, named{level: *level, kind: kind, cpus: cpus, dir: dir})
	}
	return list
}

func (r *reader) cache(n named) Cache {
	return Cache{Level: n.level, Type: n.kind, CPUs: n.cpus,
		SizeBytes: r.bytes(n.dir + "size"), LineBytes: r.positive(n.dir + "coherency_line_size"), Ways: r.ways(n.dir)}
}

// ways is the associativity; the kernel writes 0 both for a fully associative
// cache and, without a number of sets, for one it knows nothing of.
func (r *reader) ways(dir string) *int {
	ways := r.number(dir + "ways_of_associativity")
	if ways == nil || *ways > 0 {
		return ways
	}
	if sets := r.positive(dir + "number_of_sets"); sets == nil || *sets != 1 {
		return nil
	}
	return ways
}
