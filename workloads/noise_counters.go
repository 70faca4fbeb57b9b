package workloads

import (
	"slices"

	"eventstreamcore/probes"
	"eventstreamcore/reports/record"
)

// counted counts around f on the calling thread, which was pinned. What cannot
// be counted is said once for the run, and f runs all the same.
func (b *Bench) counted(role string, f func()) {
	if b.uncounting {
		f()
		return
	}
	c, err := probes.OpenCounters()
	if err == nil {
		err = c.Start()
	}
	f()
	if err != nil {
		b.uncounted(err.Error())
		return
	}
	counts, err := c.Stop()
	if err != nil {
		b.uncounted(err.Error())
	}
	_ = c.Close() // what was read, was read
	b.counting.Lock()
	defer b.counting.Unlock()
	b.source.PMU = c.PMU
	b.lacking(c.Missing...)
	b.counts = append(b.counts, counters(role, counts)...)
}

// uncounted notes why something is not counted.
func (b *Bench) uncounted(why string) {
	b.counting.Lock()
	defer b.counting.Unlock()
	b.lacking(why)
}

func (b *Bench) lacking(reasons ...string) {
	for _, why := range reasons {
		if !slices.Contains(b.source.Missing, why) {
			b.source.Missing = append(b.source.Missing, why)
		}
	}
}

// Counters is where the performance counters of the trials came from.
func (b *Bench) Counters() *record.Counters {
	b.counting.Lock()
	defer b.counting.Unlock()
	source := b.source
	return &source
}

// summed adds up what a thread's turns counted.
func summed(counts []record.Counter) (list []record.Counter) {
	for _, c := range counts {
		i := slices.IndexFunc(list, func(o record.Counter) bool { return o.Thread == c.Thread && o.Name == c.Name })
		if i < 0 {
			list = append(list, c)
			continue
		}
		list[i].Value, list[i].Share = list[i].Value+c.Value, min(list[i].Share, c.Share)
	}
	return list
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
			b.uncounted(err.Error())
			return
		}
		b.counting.Lock()
		b.source.PMU = c.PMU
		b.lacking(c.Missing...)
		b.counting.Unlock()
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
