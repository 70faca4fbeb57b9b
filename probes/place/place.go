// Package place decides which CPU each role of the engine and of its harness
// runs on, and which node's memory it takes.
//
// It takes the position that placement is arithmetic: a plan is the assignment
// with the least predicted path latency, by the measured cost of a cache line
// between CPUs, among those that break the fewest constraints. Every choice is
// explained and every constraint given up is said. It pins nothing and measures
// nothing.
package place

import (
	"fmt"
	"slices"

	"eventstreamcore/probes/topology"
)

// Role is something that wants a CPU.
type Role string

// The roles. All but Housekeeping are hot: they spin.
const (
	Generator     Role = "generator" // the load's sender
	Ingest        Role = "ingest"
	Dispatch      Role = "dispatch"
	Realtime      Role = "realtime"
	Transactional Role = "transactional"
	Batch         Role = "batch"
	Store         Role = "store"
	Sentinel      Role = "sentinel"     // watches an idle CPU for the host's gaps
	Housekeeping  Role = "housekeeping" // the runtime's own threads, and everyone else's
)

// stages are the roles of the engine, in the order of the data's way.
var stages = []Role{Ingest, Dispatch, Realtime, Transactional, Batch, Store}

// Roles lists every role.
func Roles() []Role {
	return append(append([]Role{Generator}, stages...), Sentinel, Housekeeping)
}

// Thread is one thread of a plan: the roles it steps and where it runs.
type Thread struct {
	Name  string   `json:"name"`
	Roles []Role   `json:"roles"`
	CPU   int      `json:"cpu"`
	Node  *int     `json:"node"` // whose memory it takes; nil where there are no nodes
	Why   []string `json:"why"`
}

// Hop is a hand-off between two threads.
type Hop struct {
	From     string            `json:"from"`
	To       string            `json:"to"`
	FromCPU  int               `json:"from_cpu"`
	ToCPU    int               `json:"to_cpu"`
	Relation topology.Relation `json:"relation"`
	Share    float64           `json:"share"` // of the events that take it, as the prediction weighs them
	Ns       float64           `json:"ns"`    // one way
	Measured bool              `json:"measured"`
}

// Plan places every role asked for.
type Plan struct {
	Threads      []Thread `json:"threads"`
	Housekeeping []int    `json:"housekeeping"` // CPUs for all that does not spin, best first
	Hops         []Hop    `json:"hops"`
	PredictedNs  float64  `json:"predicted_ns"` // hand-offs of one event's way, the lanes weighted
	Notes        []string `json:"notes"`        // what was given up, and why
}

// Of is the thread that a role is on.
func (p Plan) Of(r Role) (Thread, bool) {
	i := slices.IndexFunc(p.Threads, func(t Thread) bool { return slices.Contains(t.Roles, r) })
	if i < 0 {
		return Thread{}, false
	}
	return p.Threads[i], true
}

// ParseRole is the role of that name.
func ParseRole(name string) (Role, error) {
	if r := Role(name); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", fmt.Errorf("role %q: use some of %v", name, Roles())
}

// Choose places the roles on the machine's usable CPUs. costs may be empty or
// have gaps: those pairs are taken by their relation.
func Choose(t *topology.Topology, costs topology.Matrix, roles []Role) (Plan, error) {
	if err := check(roles); err != nil {
		return Plan{}, err
	}
	site := newSite(t, costs)
	crew := assemble(site, roles)
	best := search(newLayout(site, crew))
	return best.plan(t, roles), nil
}

func check(roles []Role) error {
	if len(roles) == 0 {
		return fmt.Errorf("no roles to place: use some of %v", Roles())
	}
	for i, r := range roles {
		if _, err := ParseRole(string(r)); err != nil {
			return err
		}
		if slices.Contains(roles[:i], r) {
			return fmt.Errorf("role %s is asked for twice", r)
		}
	}
	return nil
}
