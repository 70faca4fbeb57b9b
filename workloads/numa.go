package workloads

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/queue"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// site is where a hand-over is measured: the CPUs, and the node of the memory
// between them.
type site struct{ producer, consumer, memory int }

// handOver is a structure that hands something over, or is shared, between two
// CPUs: a round of n operations at a site, in ns an operation.
type handOver struct {
	name, how string
	run       func(b *Bench, at site, n int) (ns float64, err error)
}

var handOvers = []handOver{
	{"spsc", "one handle from CPU to CPU, in turn, slots of the ring on the memory node", func(b *Bench, at site, n int) (float64, error) {
		return b.ringAt(at, n, func(r *memory.Region) Ring { return queue.NewSPSC(r.Refs(), spscDepth) })
	}},
	{"mpsc", "one handle from CPU to CPU, in turn, slots of the ring on the memory node", func(b *Bench, at site, n int) (float64, error) {
		return b.ringAt(at, n, func(r *memory.Region) Ring { return queue.NewMPSC(r.Refs()) })
	}},
	{"pool", "one slot taken by the producer's CPU, sent home by the consumer's; the pool on the memory node", (*Bench).poolAt},
	{"dedup", "one id looked up by the consumer's CPU that the producer's has just inserted; the table on the memory node", (*Bench).dedupAt},
}

// nodeCPUs are two CPUs of each node that has any among those allowed: on two
// cores where it can, the second -1 where the node has but one.
func nodeCPUs(t *topology.Topology, allowed []int) (nodes []int, cpus map[int][2]int) {
	places, cpus := t.Places(), map[int][2]int{}
	for _, c := range allowed {
		i := places[c].Node
		if i < 0 {
			continue
		}
		id := t.Nodes[i].ID
		have, known := cpus[id]
		switch {
		case !known:
			nodes, cpus[id] = append(nodes, id), [2]int{c, -1}
		case have[1] < 0, places[have[0]].To(places[have[1]]) == topology.Sibling && places[have[0]].To(places[c]) != topology.Sibling:
			cpus[id] = [2]int{have[0], c}
		}
	}
	slices.Sort(nodes)
	return nodes, cpus
}

// A round of one hand-over: of a machine of many nodes shorter ones.
const (
	handedAll   = 1 << 20 // operations of a round, over all sites
	handedLeast = 1 << 9
	handedMost  = 1 << 15
	handRounds  = 5 // of which the median counts
)

// HandOvers measures, where there is more than one memory node, every structure
// between every two nodes over memory of every node: a matrix for each structure
// and memory node. Every thread's CPU and every page's node is read back, and one
// that is elsewhere is an error. all is how many operations a round has, over all
// sites: some 2 s for handedAll on two nodes.
func (b *Bench) HandOvers(t *topology.Topology, all int, stopped func() bool) ([]record.Matrix, error) {
	nodes, cpus := nodeCPUs(t, b.Allowed)
	homes := t.MemoryNodes()
	if len(homes) < 2 || len(nodes) == 0 {
		return nil, nil
	}
	b.counting.off = true
	defer func() { b.counting.off = false; b.use(b.Pairs[0]) }()
	n := min(max(all/(len(nodes)*len(nodes)*len(homes)), handedLeast), handedMost)
	var list []record.Matrix
	for _, h := range handOvers {
		for _, home := range homes {
			if stopped() {
				return list, nil
			}
			m, err := b.handOverMatrix(h, nodes, cpus, home, n)
			if err != nil {
				return list, fmt.Errorf("%s with memory of node %d: %w", h.name, home, err)
			}
			list = append(list, m)
		}
	}
	return list, nil
}

func (b *Bench) handOverMatrix(h handOver, nodes []int, cpus map[int][2]int, home, n int) (record.Matrix, error) {
	m := record.Matrix{Name: fmt.Sprintf("%s over memory of node %d", h.name, home), Unit: "ns", From: "producer node", To: "consumer node", Rows: names(nodes), Columns: names(nodes),
		How: fmt.Sprintf("The median of %d rounds of %d: %s. CPUs and pages were read back.", handRounds, n, h.how)}
	for _, from := range nodes {
		line := make([]float64, len(nodes))
		for j, to := range nodes {
			at := site{cpus[from][0], cpus[to][0], home}
			if from == to {
				at.consumer = cpus[from][1]
			}
			if at.consumer < 0 {
				continue // one CPU: nobody to hand over to
			}
			ns, err := b.handedOver(h, at, n)
			if err != nil {
				return m, fmt.Errorf("from CPU %d to CPU %d: %w", at.producer, at.consumer, err)
			}
			line[j] = ns
		}
		m.Values = append(m.Values, measured(line))
	}
	return m, nil
}

func (b *Bench) handedOver(h handOver, at site, n int) (float64, error) {
	b.use(Pair{Hot: at.consumer, Peer: at.producer, Node: at.memory})
	if err := b.confine(2); err != nil {
		return 0, err
	}
	var rounds []float64
	for range handRounds {
		ns, err := h.run(b, at, n)
		if err != nil {
			return 0, err
		}
		rounds = append(rounds, ns)
	}
	b.takeFound()
	return judge.Summarise(rounds).Center, nil
}

// onNode wants every page on one node.
func onNode(pages map[int]int, err error, node int) error {
	if err != nil {
		return fmt.Errorf("reading back where the pages are: %w", err)
	}
	if len(pages) != 1 || pages[node] == 0 {
		return fmt.Errorf("pages bound to node %d are found on nodes %v", node, slices.Sorted(maps.Keys(pages)))
	}
	return nil
}

// overRegion runs f over memory on a node, which is read back after it.
func overRegion(size, node int, f func(*memory.Region) error) error {
	r, err := memory.NewRegion(size, node)
	if err != nil {
		return err
	}
	err = f(r)
	pages, readErr := r.Nodes()
	return errors.Join(err, onNode(pages, readErr, node), r.Close())
}

func (b *Bench) ringAt(at site, n int, make func(*memory.Region) Ring) (ns float64, err error) {
	err = overRegion(spscDepth*8, at.memory, func(r *memory.Region) error {
		out, err := b.cross(make(r), 1, n)
		if err == nil && out.Invalid != "" {
			err = errors.New(out.Invalid)
		}
		if err == nil {
			ns = out.Values[0].Value
		}
		return err
	})
	return ns, err
}

// poolSlots is a pool that turns over often and takes little memory.
const poolSlots = 4096

func (b *Bench) poolAt(at site, n int) (ns float64, err error) {
	classes := memory.Classes{{Size: 256, Count: poolSlots}, {Size: 512, Count: 1}, {Size: 1024, Count: 1}, {Size: 2048, Count: 1}}
	s, err := b.newStockOf(classes)
	if err != nil {
		return 0, err
	}
	owner := Pair{Hot: at.producer, Peer: at.consumer, Node: at.memory}
	b.use(owner)
	out, err := b.giveBack(s, newSPSC(), batchSize, n)
	if err == nil && out.Invalid != "" {
		err = errors.New(out.Invalid)
	}
	pages, readErr := s.Nodes()
	if err = errors.Join(err, onNode(pages, readErr, at.memory), s.close()); err != nil {
		return 0, err
	}
	return out.Values[0].Value, nil
}

// What the two sides of a dedup table have of it: 32,768 words, and 512 ids
// between two changes of turn.
const (
	sharedTable = 256 << 10
	sharedTurn  = 512
)

// dedupAt has the producer insert and the consumer look up, by turns.
func (b *Bench) dedupAt(at site, n int) (ns float64, err error) {
	err = overRegion(sharedTable, at.memory, func(r *memory.Region) error {
		table := queue.NewDedup(r.Words(), 16)
		var turn atomic.Uint64
		var took cpu.Ticks
		missing, turns := 0, max(n/sharedTurn, 1)
		err := b.together([]int{at.producer, at.consumer}, func(i int) {
			for k := range uint64(turns) {
				for turn.Load() != 2*k+uint64(i) {
					cpu.Pause(1)
				}
				first := 1 + k*sharedTurn
				if i == 0 {
					insertRange(table, first)
				} else {
					began := cpu.Now()
					missing += sharedTurn - containsRange(table, first)
					took += cpu.End() - began
				}
				turn.Add(1)
			}
		})
		if err == nil && missing > 0 {
			err = fmt.Errorf("%d of %d ids that were inserted are not there", missing, turns*sharedTurn)
		}
		ns = float64(b.Clock.Ns(took)) / float64(turns*sharedTurn)
		return err
	})
	return ns, err
}

func insertRange(table *queue.Dedup, first uint64) {
	for id := first; id < first+sharedTurn; id++ {
		table.Insert(id)
	}
}

func containsRange(table *queue.Dedup, first uint64) (held int) {
	for id := first; id < first+sharedTurn; id++ {
		if table.Contains(id) {
			held++
		}
	}
	return held
}
