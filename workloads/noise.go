package workloads

import (
	"cmp"
	"os"
	"runtime"
	"slices"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
)

// noise is what disturbed the process until now: counts that only grow.
type noise struct {
	voluntary, involuntary int64 // context switches
	minorFaults            int64
	collections            int64 // GC cycles
	allocations            int64
	steal                  int64 // clock ticks that the host took from this guest's CPUs; -1 unknown
}

func readNoise() (n noise) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	n.collections, n.allocations = int64(m.NumGC), int64(m.Mallocs)
	n.readSystem()
	return n
}

// since is the difference, as figures of a trial. What is unknown is left out.
func (n noise) since(before noise) []record.Value {
	values := []record.Value{
		value("voluntary-switches", float64(n.voluntary-before.voluntary)),
		value("involuntary-switches", float64(n.involuntary-before.involuntary)),
		value("page-faults", float64(n.minorFaults-before.minorFaults)),
		value("gc-cycles", float64(n.collections-before.collections)),
		value("allocations", float64(n.allocations-before.allocations)),
	}
	if n.steal >= 0 && before.steal >= 0 {
		values = append(values, value("steal-ticks", float64(n.steal-before.steal)))
	}
	return values
}

// onCPUs sums what came between two readings of the CPUs that were measured on.
// What no kernel here counts is left out.
func onCPUs(list []probes.Disturbance) (values []record.Value, named []record.Interrupts) {
	interrupts, softirqs, throttled, counted := int64(0), int64(0), int64(0), false
	for _, d := range list {
		for name, n := range d.Interrupts {
			interrupts += n
			named = append(named, record.Interrupts{CPU: d.CPU, Name: name, Count: n})
		}
		for name, n := range d.SoftIRQs {
			softirqs += n
			named = append(named, record.Interrupts{CPU: d.CPU, Name: "softirq " + name, Count: n})
		}
		if d.Throttled != nil {
			throttled, counted = throttled+*d.Throttled, true
		}
	}
	values = []record.Value{value("interrupts", float64(interrupts)), value("softirqs", float64(softirqs))}
	if counted {
		values = append(values, value("throttled", float64(throttled)))
	}
	for _, d := range list {
		if d.KHz != nil {
			values = append(values, value("mhz", float64(*d.KHz)/1000))
			break
		}
	}
	return values, named
}

// interruptsKept of a row, the most frequent.
const interruptsKept = 12

// interruptsOf sums the trials' interrupts by CPU and name.
func interruptsOf(outcomes []Outcome) (all []record.Interrupts) {
	for _, out := range outcomes {
		for _, n := range out.interrupts {
			i := slices.IndexFunc(all, func(o record.Interrupts) bool { return o.CPU == n.CPU && o.Name == n.Name })
			if i < 0 {
				i, all = len(all), append(all, record.Interrupts{CPU: n.CPU, Name: n.Name})
			}
			all[i].Count += n.Count
		}
	}
	slices.SortFunc(all, func(a, b record.Interrupts) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), interruptsKept)]
}

// watch is what is known before a trial, to be held against what is after it.
type watch struct {
	process noise
	counts  probes.Counts
	marks   [][]mark // of each rig's loops
}

// watch begins to watch what disturbs a trial.
func (b *Bench) watch() (w watch) {
	for _, r := range b.present.rigs {
		r.startCounting()
		w.marks = append(w.marks, marks(r.loops))
	}
	w.counts, w.process = probes.ReadCounts(topology.Root("/"), slices.Compact([]int{b.Hot, b.Peer})), readNoise()
	return w
}

// witness adds to a trial what disturbed it since w.
func (b *Bench) witness(out *Outcome, w watch) error {
	out.Noise = append(out.Noise, readNoise().since(w.process)...)
	after := probes.ReadCounts(topology.Root("/"), slices.Compact([]int{b.Hot, b.Peer}))
	values, named := onCPUs(after.Since(w.counts))
	if n := after.QuotaSince(w.counts); n != nil {
		values = append(values, value("quota-throttled", float64(*n)))
	}
	out.Noise, out.interrupts = append(out.Noise, values...), named
	for i, r := range b.present.rigs {
		for len(r.strips) < len(r.loops) {
			r.strips = append(r.strips, record.Strip{})
		}
		for j, loop := range r.loops {
			loop.lengthenStrip(&r.strips[j], w.marks[i][j], b.suspects())
		}
		b.counting.add(r.stopCounting()...)
	}
	out.Counters = b.counting.take()
	return b.place(out)
}

// isGuest is asked once: it reads files.
func isGuest() bool { return probes.IsGuest(os.DirFS("/")) }
