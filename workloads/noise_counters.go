package workloads

import (
	"slices"
	"sync"

	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// counting is what performance counters counted in the present trial, on several
// threads.
type counting struct {
	off bool // only times are kept: counters come and go at the price of an interrupt to every CPU

	mutex  sync.Mutex // around the rest
	counts []record.Counter
	source record.Counters
}

// around counts around f on the calling thread, which was pinned. What cannot be
// counted is said once for the run, and f runs all the same.
func (n *counting) around(role string, f func()) {
	if n.off {
		f()
		return
	}
	c, err := probes.OpenCounters()
	if err == nil {
		err = c.Start()
	}
	f()
	if err != nil {
		n.lacks(err.Error())
		return
	}
	counts, err := c.Stop()
	if err != nil {
		n.lacks(err.Error())
	}
	_ = c.Close() // what was read, was read
	n.opened(c)
	n.add(counters(role, counts)...)
}

// opened notes where counts come from, and which do not.
func (n *counting) opened(c *probes.Counters) {
	n.mutex.Lock()
	n.source.PMU = c.PMU
	n.mutex.Unlock()
	n.lacks(c.Missing...)
}

// lacks notes why something is not counted, each reason once.
func (n *counting) lacks(reasons ...string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, why := range reasons {
		if !slices.Contains(n.source.Missing, why) {
			n.source.Missing = append(n.source.Missing, why)
		}
	}
}

func (n *counting) add(counts ...record.Counter) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.counts = append(n.counts, counts...)
}

// take is what was counted since it was last taken, a thread's turns added up.
func (n *counting) take() (list []record.Counter) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, c := range n.counts {
		i := slices.IndexFunc(list, func(o record.Counter) bool { return o.Thread == c.Thread && o.Name == c.Name })
		if i < 0 {
			list = append(list, c)
			continue
		}
		list[i].Value, list[i].Share = list[i].Value+c.Value, min(list[i].Share, c.Share)
	}
	n.counts = nil
	return list
}

// Counters is where the performance counters of the trials came from.
func (b *Bench) Counters() *record.Counters {
	b.counting.mutex.Lock()
	defer b.counting.mutex.Unlock()
	source := b.counting.source
	return &source
}

func counters(role string, counts []probes.Count) (list []record.Counter) {
	for _, c := range counts {
		list = append(list, record.Counter{Thread: role, Name: c.Name, Value: c.Value, Share: c.Share})
	}
	return list
}

// openCounting opens counters for each of the engine's threads.
func (r *rig) openCounting(b *Bench) {
	for _, t := range r.engine.Threads() {
		c, err := probes.OpenCountersOf(t.ID)
		if err != nil {
			b.counting.lacks(err.Error())
			return
		}
		b.counting.opened(c)
		r.counters = append(r.counters, threadCounters{t.Name(), c})
	}
}

type threadCounters struct {
	role string
	*probes.Counters
}

func (r *rig) startCounting() {
	for _, c := range r.counters {
		_ = c.Start() // the counts of one that does not start are absent
	}
}

func (r *rig) stopCounting() (list []record.Counter) {
	for _, c := range r.counters {
		if counts, err := c.Stop(); err == nil {
			list = append(list, counters(c.role, counts)...)
		}
	}
	return list
}

func (r *rig) closeCounting() {
	for _, c := range r.counters {
		_ = c.Close()
	}
}
