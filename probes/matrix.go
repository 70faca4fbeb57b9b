package probes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

// Pair is the line transfer between two CPUs.
type Pair struct {
	A        int               `json:"a"`
	B        int               `json:"b"`
	Relation topology.Relation `json:"relation"`
	OneWay   Floor             `json:"one_way"`
}

// Transfers is what a cache line costs between CPUs.
type Transfers struct {
	Matrix    topology.Matrix    `json:"matrix"`
	Pairs     []Pair             `json:"pairs"`
	Summaries []topology.Summary `json:"summaries"` // by relation
	Sampled   bool               `json:"sampled"`   // not every pair was measured
	Homes     []Home             `json:"homes,omitempty"`
}

// Home is the transfer of the first pair with the line in one node's memory,
// bound there and read back.
type Home struct {
	Node   int   `json:"node"`
	OneWay Floor `json:"one_way"`
}

const (
	allPairsCPUs     = 64 // over this, pairs are sampled
	pairsPerRelation = 32
	pairBudgetMin    = 5 * time.Millisecond
	pairBudgetMax    = 500 * time.Millisecond
)

// MeasureTransfers measures the line transfer of every pair of the CPUs given,
// in random order, so that what the host does meanwhile does not fall on one
// part of the matrix; over 64 CPUs it takes 32 pairs of each relation unless
// full is set. It takes about budget, and at the least 5 ms a pair. After each
// pair it calls progress, which may be nil.
func MeasureTransfers(clock cpu.Clock, t *topology.Topology, cpus []int, full bool, budget time.Duration, progress func(done, of int)) (Transfers, error) {
	if len(cpus) < 2 {
		return Transfers{}, fmt.Errorf("core to core: %w", ErrOneCPU)
	}
	pairs, sampled := choosePairs(t, cpus, full)
	x := Transfers{Matrix: topology.NewMatrix(cpus), Sampled: sampled}
	each := min(max(budget/time.Duration(len(pairs)), pairBudgetMin), pairBudgetMax)
	for i, p := range pairs {
		floor, err := LineTransfer(clock, p.A, p.B, each)
		if err != nil {
			return x, err
		}
		p.OneWay = floor
		x.Pairs = append(x.Pairs, p)
		x.Matrix.Set(p.A, p.B, floor.Ns)
		if progress != nil {
			progress(i+1, len(pairs))
		}
	}
	x.Summaries = x.Matrix.Summarise(t)
	return x, nil
}

// choosePairs lists every pair once, or some of each relation, shuffled.
func choosePairs(t *topology.Topology, cpus []int, full bool) (pairs []Pair, sampled bool) {
	places := t.Places()
	random := rand.New(rand.NewPCG(1, uint64(len(cpus))))
	var taken [topology.Relations]int
	for _, i := range random.Perm(len(cpus)) {
		for _, j := range random.Perm(i) {
			p := Pair{A: cpus[j], B: cpus[i]}
			p.Relation = places[p.A].To(places[p.B])
			if !full && len(cpus) > allPairsCPUs && taken[p.Relation] >= pairsPerRelation {
				sampled = true
				continue
			}
			taken[p.Relation]++
			pairs = append(pairs, p)
		}
	}
	random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	return pairs, sampled
}

// Offset is how far one CPU's counter stands from another's.
type Offset struct {
	CPU           int     `json:"cpu"`
	Against       int     `json:"against"`
	Ns            float64 `json:"ns"`             // positive is ahead
	UncertaintyNs float64 `json:"uncertainty_ns"` // half the shortest round trip: the offset lies within
	N             int     `json:"n"`
}

// Within reports whether the offset is not to be told from 0.
func (o Offset) Within() bool { return o.Ns <= o.UncertaintyNs && -o.Ns <= o.UncertaintyNs }

// stamped is a word and the time at which it was answered, on one line.
type stamped struct {
	line
	at cpu.Ticks // written by the answerer before the word
}

// counterOffset measures how far CPU b's counter stands from CPU a's: b stamps
// each answer, and the answer was given somewhere within the round trip, of
// which the shortest is kept.
func counterOffset(clock cpu.Clock, a, b int, budget time.Duration) (Offset, error) {
	if a == b {
		return Offset{}, fmt.Errorf("counter offset of CPU %d from itself: %w", a, ErrOneCPU)
	}
	s, patience := new(stamped), clock.Ticks(int64(answerLimit))
	best := Offset{CPU: b, Against: a, UncertaintyNs: -1}
	err := together([]int{a, b}, func(i int) {
		if i == 1 {
			for want := uint64(1); s.await(want, patience); want += 2 {
				s.at = cpu.Now()
				s.word.Store(want + 1)
			}
			return
		}
		end := cpu.Now() + clock.Ticks(int64(budget))
		for trip := uint64(0); best.N < offsetTripsMax; trip++ {
			sent := cpu.Now()
			s.word.Store(trip*2 + 1)
			if !s.await(trip*2+2, patience) {
				break
			}
			back := cpu.Now()
			best.keep(clock, sent, s.at, back)
			if back > end {
				break
			}
		}
		s.word.Store(over)
	})
	if err == nil && best.N == 0 {
		err = errors.New("the other CPU did not answer")
	}
	if err != nil {
		return Offset{}, fmt.Errorf("counter offset between CPUs %d and %d: %w", a, b, err)
	}
	return best, nil
}

const offsetTripsMax = 1 << 16

// keep takes the trip if it is the shortest yet.
func (o *Offset) keep(clock cpu.Clock, sent, answered, back cpu.Ticks) {
	o.N++
	half := float64(back-sent) / 2 / clock.Hz * 1e9
	if o.UncertaintyNs >= 0 && half >= o.UncertaintyNs {
		return
	}
	o.UncertaintyNs = half
	o.Ns = (float64(int64(answered-sent)) - float64(back-sent)/2) / clock.Hz * 1e9
}
