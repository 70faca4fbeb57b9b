package workloads

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// pinned runs f on a thread of its own, on the CPU given; the thread ends with
// f. Where f was is read back. What it counts is its own business.
func (b *Bench) pinned(on int, f func()) error {
	return b.held([]int{on}, func(int) { f() })
}

// together runs f(i) on cpus[i], each on a pinned thread of its own, and waits
// until all of them are in place before any begins. What each counts goes into
// the trial.
func (b *Bench) together(cpus []int, f func(i int)) error {
	return b.held(cpus, func(i int) { b.counting.around(b.role(cpus[i]), func() { f(i) }) })
}

// held is together without counting. Where each was is read back at its end and
// kept for the row; a thread that strayed is an error.
func (b *Bench) held(cpus []int, f func(i int)) error {
	var ready, done sync.WaitGroup
	errs, strayed, found := make([]error, len(cpus)), make([]error, len(cpus)), make([]record.Placed, len(cpus))
	ready.Add(len(cpus))
	for i, c := range cpus {
		done.Go(func() {
			errs[i] = cpu.Pin(c)
			ready.Done()
			ready.Wait()
			for _, err := range errs {
				if err != nil {
					return
				}
			}
			f(i)
			found[i], strayed[i] = b.whereabouts(c) // errs is read by the others, who may not have begun
		})
	}
	done.Wait()
	if err := errors.Join(append(errs, strayed...)...); err != nil {
		return err
	}
	b.present.found = append(b.present.found, found...)
	return nil
}

// whereabouts is where the calling thread, pinned to a CPU, really is.
func (b *Bench) whereabouts(on int) (p record.Placed, err error) {
	p = record.Placed{Role: b.role(on), CPU: on}
	if p.Allowed, err = cpu.Allowed(); err != nil {
		return p, err
	}
	at, _, err := cpu.Current()
	if err != nil {
		return p, err
	}
	if p.Ran = &at; at != on || !slices.Equal(p.Allowed, []int{on}) {
		return p, fmt.Errorf("placement is not the plan's: the %s thread is planned on CPU %d, may run on %v and runs on %d", p.Role, on, p.Allowed, at)
	}
	return p, nil
}

// role is what a CPU of the cell under way is there for.
func (b *Bench) role(on int) string {
	switch on {
	case b.Hot:
		return "hot"
	case b.Peer:
		return "peer"
	}
	return "crew"
}

// takeFound is where the threads of a trial were, each place once.
func (b *Bench) takeFound() (list []record.Placed) {
	for _, p := range b.present.found {
		if !slices.ContainsFunc(list, func(q record.Placed) bool { return q.Role == p.Role && q.CPU == p.CPU }) {
			list = append(list, p)
		}
	}
	b.present.found = b.present.found[:0]
	return list
}

// place notes where the threads of a trial and their memory were found.
func (b *Bench) place(out *Outcome) (err error) {
	out.Placed = append(out.Placed, b.takeFound()...)
	for _, r := range b.present.rigs {
		err = errors.Join(err, r.place(out))
	}
	return err
}

// placedThreads is the threads of a placement that were planned.
func placedThreads(p probes.Placement) (list []record.Placed) {
	for _, t := range p.Threads {
		if t.Want == nil {
			continue
		}
		placed := record.Placed{Role: t.Name, CPU: *t.Want, Allowed: t.Allowed}
		if t.CPU >= 0 {
			placed.Ran = &t.CPU
		}
		list = append(list, placed)
	}
	return list
}

// slabs is the memory of a placement.
func slabs(p probes.Placement) (list []record.Slab) {
	for _, s := range p.Slabs {
		slab := record.Slab{Name: s.Name, Node: s.Want}
		for _, node := range slices.Sorted(maps.Keys(s.Pages)) {
			slab.Pages = append(slab.Pages, record.NodePages{Node: node, Pages: s.Pages[node]})
		}
		list = append(list, slab)
	}
	return list
}
