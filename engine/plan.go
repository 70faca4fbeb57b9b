package engine

import (
	"fmt"
	"math/bits"
	"slices"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/duty"
)

// Stage names a worker of the engine.
type Stage string

// The stages, in the order of the data's way.
const (
	Ingest        Stage = "ingest" // TCP workers and feeds
	Dispatch      Stage = "dispatch"
	Realtime      Stage = "realtime"
	Transactional Stage = "transactional"
	Batch         Stage = "batch"
	Store         Stage = "store"
	Commit        Stage = "commit"  // writes and syncs groups; blocks while the disk does
	Letters       Stage = "letters" // writes dead letters to their log; likewise
)

var stages = []Stage{Ingest, Dispatch, Realtime, Transactional, Batch, Store, Commit, Letters}

// optional stages may be left out of a plan, which then finds them a place.
var optional = []Stage{Commit, Letters}

// Plan says which stages share a thread, and where each thread runs. Placement
// is data: the engine is told, it discovers nothing.
type Plan struct {
	Threads []Thread
	Node    *int // NUMA node that the events' memory is bound to; nil is the kernel's choice

	// Helpers are threads without stages: under pressure they take over sub-lanes
	// of TRANSACTIONAL and BATCH, and give them back when it is over. 0 to 15.
	// Handlers are then called from several threads at once.
	Helpers []Thread
	// Sublanes are the parts that each of the two lanes is divided into, by
	// producer: a power of two up to 16; more than there are helpers, for a helper
	// takes one at the least, and 0, the default, is twice as many as may drain
	// them, or 1 where there are none.
	Sublanes int
}

// Thread is one thread of a plan. Its stages step in the order given.
type Thread struct {
	Name   string
	CPU    int // to pin to, or duty.Unpinned
	Idle   duty.Idle
	Stages []Stage
}

// Fused runs every stage to completion on one thread: hand-offs are local, and
// a second CPU is left to whoever sends. Commits run on a thread of their own
// unless the log leaves syncing to the kernel. The store steps right behind the
// realtime processor: what that hands on does not wait for the other lanes.
func Fused(cpu int, idle duty.Idle) Plan {
	return Plan{Threads: []Thread{
		{Name: "engine", CPU: cpu, Idle: idle, Stages: []Stage{Ingest, Dispatch, Realtime, Store, Transactional, Batch}},
	}}
}

// Split puts what comes in on one thread (with the checksums, which are most of
// the work) and what is done with it on another.
func Split(front, back int, idle duty.Idle) Plan {
	return Plan{Threads: []Thread{
		{Name: "front", CPU: front, Idle: idle, Stages: []Stage{Ingest, Dispatch}},
		{Name: "back", CPU: back, Idle: idle, Stages: []Stage{Realtime, Transactional, Batch, Store}},
	}}
}

// complete adds the optional stages where the plan does not place them: beside
// the store when a commit is one write into the page cache, else on a thread
// that sleeps while the disk works.
func (p Plan) complete(blocks bool) Plan {
	p.Sublanes = p.sublanes()
	var missing []Stage
	for _, s := range optional {
		if !p.holds(s) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return p
	}
	p.Threads = slices.Clone(p.Threads)
	if blocks {
		p.Threads = append(p.Threads, Thread{Name: "commit", CPU: duty.Unpinned, Idle: duty.Park, Stages: missing})
		return p
	}
	for i, t := range p.Threads {
		if slices.Contains(t.Stages, Store) {
			p.Threads[i].Stages = append(slices.Clone(t.Stages), missing...)
		}
	}
	return p
}

func (p Plan) sublanes() int {
	switch {
	case p.Sublanes != 0:
		return p.Sublanes
	case len(p.Helpers) == 0:
		return 1
	}
	return min(bus.SublanesMax, 2<<bits.Len(uint(len(p.Helpers))))
}

func (p Plan) holds(s Stage) bool {
	return slices.ContainsFunc(p.Threads, func(t Thread) bool { return slices.Contains(t.Stages, s) })
}

// Validate wants every stage exactly once (the optional ones at most once), and no two
// pinned threads on one CPU.
func (p Plan) Validate() error {
	if k := p.sublanes(); k < 1 || k > bus.SublanesMax || k&(k-1) != 0 || len(p.Helpers) > k-1 {
		return fmt.Errorf("plan: %d sub-lanes for %d helpers: use a power of two up to %d, and more than there are helpers", k, len(p.Helpers), bus.SublanesMax)
	}
	if i := slices.IndexFunc(p.Helpers, func(t Thread) bool { return len(t.Stages) > 0 }); i >= 0 {
		return fmt.Errorf("plan: helper %s has stages %v: it takes sub-lanes over, and has none of its own", p.Helpers[i].Name, p.Helpers[i].Stages)
	}
	placed, pinned := map[Stage]string{}, map[int]string{}
	for _, t := range slices.Concat(p.Threads, p.Helpers) {
		if other, taken := pinned[t.CPU]; taken && t.CPU != duty.Unpinned {
			return fmt.Errorf("plan: threads %s and %s are both pinned to CPU %d: give each its own, or fuse their stages", other, t.Name, t.CPU)
		}
		pinned[t.CPU] = t.Name
		for _, s := range t.Stages {
			if !slices.Contains(stages, s) {
				return fmt.Errorf("plan: thread %s has unknown stage %q: use %v", t.Name, s, stages)
			}
			if other, twice := placed[s]; twice {
				return fmt.Errorf("plan: stage %s is on threads %s and %s: it belongs on one", s, other, t.Name)
			}
			placed[s] = t.Name
		}
	}
	for _, s := range stages {
		if _, ok := placed[s]; !ok && !slices.Contains(optional, s) {
			return fmt.Errorf("plan: stage %s is on no thread", s)
		}
	}
	return nil
}
