package place

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"eventstreamcore/probes/topology"
)

const (
	exhaustMax = 500_000 // assignments tried one by one
	drawn      = 200     // random assignments that a search starts from besides
	climbed    = 12      // starts that are improved
	roundsMax  = 100     // improvements of one start; each is strict, so few are needed
	swapGain   = 1e-9    // below this a gain is rounding
)

// search finds the best layout: by trying all where these are few (exact on
// eight CPUs and fewer), else by improving the best of many starts.
func search(l layout) layout {
	if assignments(len(l.cpus), len(l.at)) <= exhaustMax {
		return exhaust(l)
	}
	starts := append(domains(l), draws(l)...)
	slices.SortStableFunc(starts, func(a, b layout) int { return cmp.Compare(a.total(), b.total()) })
	best := starts[0]
	for _, s := range starts[:min(climbed, len(starts))] {
		if climbed := climb(s); climbed.total() < best.total() {
			best = climbed
		}
	}
	return best
}

// assignments is how many ways there are to put threads on CPUs, each its own.
func assignments(cpus, threads int) float64 {
	n := 1.0
	for i := range threads {
		n *= float64(cpus - i)
	}
	return n
}

// exhaust tries every assignment, cutting a branch as soon as what is placed
// costs more than the best whole one.
func exhaust(l layout) layout {
	best, least := l.clone(), math.Inf(1)
	var descend func(thread int, sum float64)
	descend = func(thread int, sum float64) {
		if sum >= least {
			return
		}
		if thread == len(l.at) {
			best, least = l.clone(), sum
			return
		}
		for cpu := range l.cpus {
			if slices.Contains(l.at[:thread], cpu) {
				continue
			}
			l.at[thread] = cpu
			descend(thread+1, sum+l.added(thread))
		}
	}
	descend(0, 0)
	return best
}

// added is what a thread adds to those before it.
func (l *layout) added(thread int) float64 {
	sum := l.price(thread)
	for _, k := range l.links {
		if max(k.from, k.to) == thread {
			c, _ := l.cost(l.at[k.from], l.at[k.to])
			sum += k.share * c
		}
	}
	for j := range thread {
		sum += l.clash(thread, j)
	}
	return sum
}

// domains starts in each part of the machine in turn: its CPUs first, then the
// rest, the isolated and the more capable before the others, a thread a core.
func domains(l layout) (starts []layout) {
	keys := []func(topology.Place) int{
		func(p topology.Place) int { return p.L2 }, func(p topology.Place) int { return p.L3 },
		func(p topology.Place) int { return p.Node }, func(p topology.Place) int { return p.Package },
	}
	for _, key := range keys {
		seen := map[int]bool{}
		for _, p := range l.places {
			if d := key(p); !seen[d] && len(seen) < 64 {
				seen[d] = true
				starts = append(starts, l.startIn(func(i int) bool { return key(l.places[i]) == d }))
			}
		}
	}
	return starts
}

// startIn fills the CPUs within first.
func (l *layout) startIn(within func(i int) bool) layout {
	order := make([]int, len(l.cpus))
	taken, second := map[int]bool{}, make([]int, len(l.cpus))
	for i := range order {
		order[i] = i
		if core := l.places[i].Core; core >= 0 {
			second[i] = btoi(taken[core])
			taken[core] = true
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(second[a], second[b]), cmp.Compare(btoi(l.isolated[b]), btoi(l.isolated[a])),
			cmp.Compare(l.slow[a], l.slow[b]), cmp.Compare(btoi(within(b)), btoi(within(a))))
	})
	start := l.clone()
	copy(start.at, order)
	return start
}

// draws are random starts, the same each time.
func draws(l layout) (starts []layout) {
	random := rand.New(rand.NewPCG(1, uint64(len(l.cpus))))
	for range drawn {
		start := l.clone()
		used := map[int]bool{}
		for i := range start.at {
			cpu := random.IntN(len(l.cpus))
			for used[cpu] {
				cpu = random.IntN(len(l.cpus))
			}
			start.at[i], used[cpu] = cpu, true
		}
		starts = append(starts, start)
	}
	return starts
}

// climb moves one thread at a time to the CPU that gains most, or swaps two,
// until nothing gains.
func climb(l layout) layout {
	for range roundsMax {
		if !l.moveBest() && !l.swapBest() {
			break
		}
	}
	return l
}

func (l *layout) moveBest() bool {
	thread, to, gain := -1, -1, swapGain
	for t := range l.at {
		from, before := l.at[t], l.touching(t)
		for cpu := range l.cpus {
			l.at[t] = cpu
			if g := before - l.touching(t); g > gain {
				thread, to, gain = t, cpu, g
			}
		}
		l.at[t] = from
	}
	if thread >= 0 {
		l.at[thread] = to
	}
	return thread >= 0
}

func (l *layout) swapBest() bool {
	a, b, least := -1, -1, l.total()-swapGain
	for i := range l.at {
		for j := range i {
			l.at[i], l.at[j] = l.at[j], l.at[i]
			if sum := l.total(); sum < least {
				a, b, least = i, j, sum
			}
			l.at[i], l.at[j] = l.at[j], l.at[i]
		}
	}
	if a >= 0 {
		l.at[a], l.at[b] = l.at[b], l.at[a]
	}
	return a >= 0
}
