package probes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/probes/topology"
)

// ThreadPlace is where one thread may run and where it ran last.
type ThreadPlace struct {
	ID      int           `json:"id"`
	Name    string        `json:"name"` // its role where it has one, else the kernel's name for it
	Allowed topology.List `json:"allowed"`
	CPU     int           `json:"cpu"`  // it ran on last
	Want    *int          `json:"want"` // the plan's CPU; nil for the runtime's own threads
}

// SlabPlace is on which nodes a slab's pages are.
type SlabPlace struct {
	Name  string      `json:"name"`
	Pages map[int]int `json:"pages"` // by node; -1 counts pages not touched yet
	Want  *int        `json:"want"`  // the plan's node; nil is any
}

// Placement is what the kernel says of a running process: where every thread is
// and every page of its slabs.
type Placement struct {
	Threads []ThreadPlace `json:"threads"`
	Slabs   []SlabPlace   `json:"slabs"`
	Unread  []string      `json:"unread,omitempty"` // what could not be read back, and why: never taken for right
}

// Pinned is a thread that a plan has pinned: its role, the kernel's id, the CPU.
type Pinned struct {
	Role string
	ID   int
	CPU  int
}

// PlacementOf reads back where the threads of a running engine are, those of the
// runtime beside them, and every page of its events.
func PlacementOf(e *engine.Engine) (Placement, error) {
	var pinned []Pinned
	for _, t := range e.Threads() {
		if t.CPU() != duty.Unpinned {
			pinned = append(pinned, Pinned{Role: t.Name(), ID: t.ID, CPU: t.CPU()})
		}
	}
	found, err := e.Slabs()
	var slabs []SlabPlace
	for _, s := range found {
		slabs = append(slabs, SlabPlace{Name: s.Name, Pages: s.Pages, Want: s.Node})
	}
	p, threadsErr := ReadPlacement(pinned, slabs...)
	if err != nil {
		p.Unread = append(p.Unread, err.Error())
	}
	return p, threadsErr
}

// ReadPlacement reads back every thread of this process after start. slabs come
// from their owners: memory.Pool.Nodes reads theirs.
func ReadPlacement(pinned []Pinned, slabs ...SlabPlace) (Placement, error) {
	threads, err := cpu.Threads()
	if err != nil {
		return Placement{}, fmt.Errorf("placement: %w", err)
	}
	p := Placement{Threads: []ThreadPlace{}, Slabs: append([]SlabPlace{}, slabs...)}
	for _, t := range threads {
		place := ThreadPlace{ID: t.ID, Name: t.Name, Allowed: t.Allowed, CPU: lastCPU(t.ID)}
		if i := slices.IndexFunc(pinned, func(p Pinned) bool { return p.ID == t.ID }); i >= 0 {
			place.Name, place.Want = pinned[i].Role, &pinned[i].CPU
		}
		p.Threads = append(p.Threads, place)
	}
	for _, want := range pinned {
		if !slices.ContainsFunc(threads, func(t cpu.Thread) bool { return t.ID == want.ID }) {
			return p, fmt.Errorf("placement: thread %d of %s is not among the process's threads: it has ended", want.ID, want.Role)
		}
	}
	return p, nil
}

// Lines is the placement in words, a line for each pinned thread, one for all
// the others that may run on the same CPUs, and one for each slab.
func (p Placement) Lines() (lines []string) {
	others := map[string]topology.List{} // by what they may run on: where they ran
	count := map[string]int{}
	for _, t := range p.Threads {
		if t.Want != nil {
			lines = append(lines, fmt.Sprintf("%s (thread %d): planned on CPU %d, may run on %v, ran on %s", t.Name, t.ID, *t.Want, t.Allowed, ranOn(topology.List{t.CPU})))
			continue
		}
		on := t.Allowed.String()
		others[on], count[on] = append(others[on], t.CPU), count[on]+1
	}
	for _, on := range slices.Sorted(maps.Keys(others)) {
		lines = append(lines, fmt.Sprintf("%d other thread(s): may run on %s, ran on %s", count[on], on, ranOn(others[on])))
	}
	for _, s := range p.Slabs {
		lines = append(lines, s.line())
	}
	for _, u := range p.Unread {
		lines = append(lines, "unknown: "+u)
	}
	return lines
}

func ranOn(cpus topology.List) string {
	slices.Sort(cpus)
	if cpus = slices.Compact(cpus); len(cpus) > 0 && cpus[0] < 0 {
		return "unknown CPUs"
	}
	return cpus.String()
}

func (s SlabPlace) line() string {
	var found []string
	for _, node := range slices.Sorted(maps.Keys(s.Pages)) {
		if node < 0 {
			found = append(found, fmt.Sprintf("%d pages not touched yet", s.Pages[node]))
		} else {
			found = append(found, fmt.Sprintf("%d pages on node %d", s.Pages[node], node))
		}
	}
	planned := "on any node"
	if s.Want != nil {
		planned = fmt.Sprintf("on node %d", *s.Want)
	}
	return fmt.Sprintf("%s: planned %s, %s", s.Name, planned, strings.Join(found, ", "))
}

// Mismatch is every way in which the placement is not the plan's, as one error
// of one line; nil if there is none. Each pinned thread must be allowed its CPU
// alone and have run there; no other thread may be allowed a pinned thread's
// CPU, unless shared is set, for a machine too small for that; every touched
// page of a slab with a node must be on it.
func (p Placement) Mismatch(shared bool) error {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	hot := map[int]string{}
	for _, t := range p.Threads {
		if t.Want == nil {
			continue
		}
		hot[*t.Want] = t.Name
		if !slices.Equal(t.Allowed, topology.List{*t.Want}) {
			add("%s (thread %d) is planned on CPU %d and may run on %v", t.Name, t.ID, *t.Want, t.Allowed)
		} else if t.CPU >= 0 && t.CPU != *t.Want {
			add("%s (thread %d) is planned on CPU %d and ran on %d", t.Name, t.ID, *t.Want, t.CPU)
		}
	}
	for _, t := range p.Threads {
		for _, c := range t.Allowed {
			if role, taken := hot[c]; taken && t.Want == nil && !shared {
				add("%s (thread %d) may run on CPU %d, which is %s's", t.Name, t.ID, c, role)
				break
			}
		}
	}
	for _, s := range p.Slabs {
		for node, pages := range s.Pages {
			if s.Want != nil && node != *s.Want && node >= 0 {
				add("slab %s is planned on node %d and has %d pages on node %d", s.Name, *s.Want, pages, node)
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errors.New("placement is not the plan's: " + strings.Join(wrong, "; "))
}
