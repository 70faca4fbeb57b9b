package place

import (
	"math"
	"slices"

	"eventstreamcore/probes/topology"
)

// link is a hand-off between two threads, by index, and the share of events
// that take it.
type link struct {
	from, to int
	share    float64
}

// lanes are the ways of an event, and how much each counts: the bound on
// realtime is the tightest.
var lanes = []struct {
	share float64
	way   []Role
}{
	{0.5, []Role{Generator, Ingest, Dispatch, Realtime, Store}},
	{0.3, []Role{Generator, Ingest, Dispatch, Transactional, Store}},
	{0.2, []Role{Generator, Ingest, Dispatch, Batch, Store}},
}

// links are the hand-offs between the crew's threads; roles that were not asked
// for are stepped over.
func links(threads [][]Role) (list []link) {
	thread := map[Role]int{}
	for i, roles := range threads {
		for _, r := range roles {
			thread[r] = i
		}
	}
	for _, lane := range lanes {
		last := -1
		for _, r := range lane.way {
			i, there := thread[r]
			if !there {
				continue
			}
			if last >= 0 && i != last {
				list = addLink(list, link{last, i, lane.share})
			}
			last = i
		}
	}
	return list
}

func addLink(list []link, l link) []link {
	for k := range list {
		if list[k].from == l.from && list[k].to == l.to {
			list[k].share += l.share
			return list
		}
	}
	return append(list, l)
}

// Prices of breaking a constraint, in nanoseconds. The first three lie so far
// apart that no number of the lesser outweighs a greater, and all the path
// together none; the next two are nanoseconds of path like any other.
const (
	priceShared   = 1e11 // two hot threads on one core
	priceExposed  = 1e8  // a hot thread on a CPU that is not isolated, though some are
	priceSlow     = 1e5  // a hot thread on a less capable kind of core, for each kind
	priceRemote   = 1e2  // a hot thread without memory on its node: as much as a far load
	priceFromNICs = 1e2  // ingest away from the NIC's node
	priceEarly    = 1e-4 // a hot thread on the first CPU, the less the later: it decides between equals alone
)

// weights say whom the good cores go to when there are too few.
var weights = map[Role]float64{
	Ingest: 1, Dispatch: 1, Realtime: 1, Store: 0.9, Transactional: 0.6, Batch: 0.4, Generator: 0.3, Sentinel: 0.1,
}

// weight is that of the weightiest of a thread's roles.
func weight(roles []Role) (w float64) {
	for _, r := range roles {
		w = max(w, weights[r])
	}
	return w
}

// layout is the crew on CPUs: what is searched.
type layout struct {
	*site
	crew
	links  []link
	ingest int       // the thread of Ingest, -1 if none
	weight []float64 // of each thread
	at     []int     // CPU of each thread, by index in site.cpus
	anyIso bool
}

func newLayout(s *site, c crew) layout {
	l := layout{site: s, crew: c, links: links(c.threads), ingest: -1,
		weight: make([]float64, len(c.threads)), at: make([]int, len(c.threads))}
	for i, roles := range c.threads {
		if slices.Contains(roles, Ingest) {
			l.ingest = i
		}
		l.weight[i], l.at[i] = weight(roles), i%len(s.cpus)
	}
	l.anyIso = slices.Contains(s.isolated, true)
	return l
}

// predicted is the weighted path latency in nanoseconds, hand-offs alone.
func (l *layout) predicted() (ns float64) {
	for _, k := range l.links {
		c, _ := l.cost(l.at[k.from], l.at[k.to])
		ns += k.share * c
	}
	return ns
}

// total is predicted and the prices of what is broken.
func (l *layout) total() float64 {
	sum := l.predicted()
	for i := range l.at {
		sum += l.price(i)
		for j := range i {
			sum += l.clash(i, j)
		}
	}
	return sum
}

// price is what a thread's own CPU breaks.
func (l *layout) price(thread int) (ns float64) {
	cpu := l.at[thread]
	ns += priceEarly * l.weight[thread] * float64(len(l.cpus)-cpu) / float64(len(l.cpus)) // CPU 0 has the interrupts that nobody moved
	if l.anyIso && !l.isolated[cpu] {
		ns += priceExposed * l.weight[thread]
	}
	ns += priceSlow * l.weight[thread] * float64(l.slow[cpu])
	if l.remote[cpu] {
		ns += priceRemote
	}
	if thread == l.ingest && l.nicNode >= 0 && l.places[cpu].Node != l.nicNode {
		ns += priceFromNICs
	}
	return ns
}

// clash is what two threads' CPUs break together.
func (l *layout) clash(a, b int) float64 {
	i, j := l.at[a], l.at[b]
	if i == j {
		return math.Inf(1) // two spinners on one CPU are no plan
	}
	if l.places[i].To(l.places[j]) == topology.Sibling {
		return priceShared
	}
	return 0
}

// touching is the part of total that depends on where a thread is.
func (l *layout) touching(thread int) float64 {
	sum := l.price(thread)
	for _, k := range l.links {
		if k.from == thread || k.to == thread {
			c, _ := l.cost(l.at[k.from], l.at[k.to])
			sum += k.share * c
		}
	}
	for j := range l.at {
		if j != thread {
			sum += l.clash(thread, j)
		}
	}
	return sum
}

func (l *layout) clone() layout {
	c := *l
	c.at = slices.Clone(l.at)
	return c
}
