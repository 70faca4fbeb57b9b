package workloads

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
)

// Hardware is what the machine costs by itself, under everything that is
// measured on it, and the time it takes away.
type Hardware struct {
	Matrices []record.Matrix
	Caches   []record.Sweep
	Strips   []record.Strip
}

// Effort is how long each part of the hardware is measured, roughly.
type Effort struct {
	Transfers time.Duration // all pairs of CPUs
	Point     time.Duration // each working set, beside the building of it
	Watch     int           // windows in which gaps are watched for
}

// Efforts of a quick run and of a full one: some 3 and 10 s on two CPUs.
var (
	Brief    = Effort{Transfers: 300 * time.Millisecond, Point: 25 * time.Millisecond, Watch: 10}
	Thorough = Effort{Transfers: time.Second, Point: 150 * time.Millisecond, Watch: 50}
)

// Hardware measures the machine, between workloads and never during one. root
// is where proc and sys are. What this machine has not, one CPU's transfers to
// another, is absent; errors are failures of another kind, with what was
// measured until then. It stops between two parts when stopped says so.
func (b *Bench) Hardware(t *topology.Topology, root fs.FS, e Effort, stopped func() bool) (h Hardware, err error) {
	for _, part := range []func() error{
		func() error { return b.transfers(&h, t, e) },
		func() error { return b.nodes(&h, t, e) },
		func() (err error) {
			matrices, err := b.HandOvers(t, handedAll, stopped)
			h.Matrices = append(h.Matrices, matrices...)
			return err
		},
		func() error { return b.caches(&h, t, e) },
		func() error { return b.gaps(&h, root, e) },
	} {
		if stopped() {
			break
		}
		if err := part(); err != nil && !errors.Is(err, probes.ErrOneCPU) {
			return h, err
		}
	}
	return h, nil
}

// transfers fills the matrix from core to core.
func (b *Bench) transfers(h *Hardware, t *topology.Topology, e Effort) error {
	x, err := probes.MeasureTransfers(b.Clock, t, b.Allowed, false, e.Transfers, nil)
	if err != nil {
		return err
	}
	m := record.Matrix{Name: "core-to-core one way", Unit: "ns", From: "CPU", To: "CPU", Rows: names(x.Matrix.CPUs), Columns: names(x.Matrix.CPUs),
		How: "Half the median round trip of one cache line between two pinned threads that spin on it."}
	if x.Sampled {
		m.How += " Not every pair was measured."
	}
	for _, line := range x.Matrix.Ns {
		m.Values = append(m.Values, measured(line))
	}
	h.Matrices = append(h.Matrices, m)
	return nil
}

// nodes fills the matrix from each node's first CPU to each node's memory,
// where there is more than one.
func (b *Bench) nodes(h *Hardware, t *topology.Topology, e Effort) error {
	memory, from := t.MemoryNodes(), firstCPUs(t, b.Allowed)
	if len(memory) < 2 || len(from) == 0 {
		return nil
	}
	sizes := probes.CurveSizes(largestCache(t))
	beyond := sizes[len(sizes)-1:]
	m := record.Matrix{Name: "node-to-memory access", Unit: "ns", From: "CPU", To: "node", Rows: names(from), Columns: names(memory),
		How: fmt.Sprintf("One dependent load in random order over %d MiB, beyond every cache, in memory bound to the node and read back.", beyond[0]>>20)}
	for _, on := range from {
		line := make([]float64, len(memory))
		for i, node := range memory {
			c, err := probes.MeasureCurve(b.Clock, on, &node, beyond, e.Point)
			if err != nil {
				return err
			}
			line[i] = c.Points[0].Latency.Ns
		}
		m.Values = append(m.Values, measured(line))
	}
	h.Matrices = append(h.Matrices, m)
	return nil
}

// firstCPUs is one CPU of each node, among those allowed.
func firstCPUs(t *topology.Topology, allowed []int) (list []int) {
	places, seen := t.Places(), map[int]bool{}
	for _, c := range allowed {
		if node := places[c].Node; node >= 0 && !seen[node] {
			seen[node], list = true, append(list, c)
		}
	}
	return list
}

func largestCache(t *topology.Topology) (bytes int64) {
	for _, c := range t.Caches {
		if c.SizeBytes != nil {
			bytes = max(bytes, *c.SizeBytes)
		}
	}
	return bytes
}

// measured is values of which 0 says that there is none.
func measured(values []float64) []*float64 {
	line := make([]*float64, len(values))
	for i, v := range values {
		if v > 0 {
			line[i] = &v
		}
	}
	return line
}

func names(numbers []int) (list []string) {
	for _, n := range numbers {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// caches measures one dependent load on the hot CPU, by working set.
func (b *Bench) caches(h *Hardware, t *topology.Topology, e Effort) error {
	s := record.Sweep{Name: "random access", Unit: "ns", Levels: levels(t, b.Hot),
		How: fmt.Sprintf("One load that needs the load before it, in random order over so many bytes, on CPU %d; misses of the TLB are included.", b.Hot)}
	for _, size := range probes.CurveSizes(largestCache(t)) {
		if size&(size-1) != 0 && e.Point < Thorough.Point {
			continue // between two doublings
		}
		f, err := probes.RandomAccess(b.Clock, b.Hot, size, e.Point)
		if err != nil {
			return err
		}
		s.Points = append(s.Points, record.SweepAt{Bytes: int64(size), Value: f.Ns, Low: f.Low, High: f.High})
	}
	h.Caches = append(h.Caches, s)
	return nil
}

// levels is the caches that data takes from a CPU, the nearest first.
func levels(t *topology.Topology, on int) (list []record.CacheSize) {
	for _, c := range t.Caches {
		if c.SizeBytes == nil || c.Type == "Instruction" || !c.CPUs.Has(on) {
			continue
		}
		name := fmt.Sprintf("L%d", c.Level)
		if c.Type == "Data" {
			name += "d"
		}
		list = append(list, record.CacheSize{Name: name, Bytes: *c.SizeBytes})
	}
	slices.SortFunc(list, func(a, b record.CacheSize) int { return cmp.Compare(a.Bytes, b.Bytes) })
	return list
}

// window is how long gaps are watched for at a time: the longest few of each
// window are kept, so that a strip shows all of its time.
const window = 100 * time.Millisecond

// gaps watches what the CPUs that are measured on lose, all at once.
func (b *Bench) gaps(h *Hardware, root fs.FS, e Effort) error {
	spun := []int{b.Hot}
	strips := []record.Strip{{Name: "hot", CPU: b.Hot}}
	if b.Peer != b.Hot {
		spun, strips = append(spun, b.Peer), append(strips, record.Strip{Name: "peer", CPU: b.Peer})
	}
	for range e.Watch {
		seen, err := probes.MeasureJitter(b.Clock, root, spun, window)
		if err != nil {
			return err
		}
		for i := range strips {
			lengthen(&strips[i], seen[i])
		}
	}
	h.Strips = append(h.Strips, strips...)
	return nil
}

// lengthen adds what was seen in a window to the end of s.
func lengthen(s *record.Strip, j probes.Jitter) {
	for _, g := range j.Worst {
		s.Gaps = append(s.Gaps, record.Gap{At: s.Ns + g.AtNs, Ns: g.Ns, Cause: g.Cause})
	}
	s.Ns += j.DurationNs
	s.Count += int64(j.Gaps)
	s.Lost += j.LostNs
	slices.SortFunc(s.Gaps, func(a, b record.Gap) int { return cmp.Compare(a.At, b.At) })
}
