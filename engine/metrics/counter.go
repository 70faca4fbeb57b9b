// Package metrics counts and times what the stages do: single-writer counters,
// log-linear histograms and per-event traces.
//
// It takes the position that a metric must not cost what it measures: one
// thread writes each of them, a batch at a time, and readers never make it wait.
package metrics

import "sync/atomic"

// Counter counts up. One goroutine adds; any may load. An addition is one
// locked store on amd64, so stages add once a batch.
type Counter struct{ n atomic.Uint64 }

// Add counts n more. It is not a read-modify-write: two writers would lose counts.
func (c *Counter) Add(n uint64) {
	if n != 0 {
		c.n.Store(c.n.Load() + n)
	}
}

// Load is the count so far.
func (c *Counter) Load() uint64 { return c.n.Load() }
