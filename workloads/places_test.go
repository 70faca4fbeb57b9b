package workloads

import (
	"slices"
	"strings"
	"testing"

	"eventstreamcore/probes/place"
)

// aPlan is one for fourNodes, with memory of a node that has no CPUs.
func aPlan() place.Plan {
	node := 3
	return place.Plan{
		Threads: []place.Thread{
			{Name: "sender", CPU: 1, Roles: []place.Role{place.Generator}},
			{Name: "front", CPU: 4, Node: &node, Roles: []place.Role{place.Ingest, place.Dispatch}},
			{Name: "back", CPU: 6, Roles: []place.Role{place.Realtime, place.Store}},
		},
		Housekeeping: []int{2, 4},
	}
}

// TestAPlanIsFollowed in all that it says: where each thread is, whose memory
// events take, and what is left for the runtime.
func TestAPlanIsFollowed(t *testing.T) {
	b := &Bench{Allowed: []int{0, 1, 2, 3, 4, 5, 6}}
	if err := b.Follow(fourNodes(), aPlan()); err != nil {
		t.Fatal(err)
	}
	b.use(b.Pairs[0])
	if b.Hot != 4 || b.Peer != 1 || b.node != 3 {
		t.Errorf("hot on CPU %d, peer on %d, memory of node %d; want 4, 1 and 3", b.Hot, b.Peer, b.node)
	}
	if crew := b.crew(4); !slices.Equal(crew, []int{4, 1, 6, 0}) {
		t.Errorf("four threads on CPUs %v, want those of the plan first", crew)
	}
	if rest := b.rest(3); !slices.Equal(rest, []int{2}) {
		t.Errorf("the runtime on CPUs %v, want 2: 4 is kept for it, and spun on", rest)
	}
	if b.housekeeping = nil; !slices.Equal(b.rest(3), []int{0, 2, 3, 5}) {
		t.Errorf("the runtime on CPUs %v where the plan keeps none", b.rest(3))
	}
}

// TestPlansThatCannotBeFollowed are refused, with what is wrong and where.
func TestPlansThatCannotBeFollowed(t *testing.T) {
	far := 9
	for want, change := range map[string]func(*place.Plan){
		"the plan has back on CPU 70: this process may use":                   func(p *place.Plan) { p.Threads[2].CPU = 70 },
		"the plan keeps CPU 70 for housekeeping":                              func(p *place.Plan) { p.Housekeeping = []int{70} },
		"the plan has memory of front on node 9":                              func(p *place.Plan) { p.Threads[1].Node = &far },
		`the plan's thread back: role "stor"`:                                 func(p *place.Plan) { p.Threads[2].Roles[1] = "stor" },
		"the plan lacks ingest or generator: make it by esc plan --json with": func(p *place.Plan) { p.Threads = p.Threads[1:] },
	} {
		p := aPlan()
		change(&p)
		err := (&Bench{Allowed: []int{0, 1, 2, 3, 4, 5, 6}}).Follow(fourNodes(), p)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s ..", err, want)
		}
	}
}
