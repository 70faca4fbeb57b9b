package admin

import (
	"sync"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

// sample is what the engine had done at one moment. Rates and late percentiles
// are the difference of two.
type sample struct {
	at        time.Time
	stats     engine.Stats
	processed [event.Lanes]*metrics.Snapshot
	stored    [event.Lanes]*metrics.Snapshot
	usage     usage
}

func (s *Server) sample() sample {
	now := sample{at: time.Now(), stats: s.engine.Stats()}
	for lane := range event.Lane(event.Lanes) {
		now.processed[lane], now.stored[lane] = s.engine.Latency(lane)
	}
	if s.running() { // before, the threads are still being listed
		now.usage = readUsage(s.engine.Threads())
	}
	return now
}

// history keeps the samples of those who asked in the last seconds. It samples
// nothing by itself: an engine that nobody watches is not read.
type history struct {
	mu   sync.Mutex
	kept []sample // oldest first, and always one
}

const (
	window  = 3 * time.Second        // what "now" means, where somebody asked that long ago
	spacing = 250 * time.Millisecond // between samples kept: 14 at most, of 110 KB
)

func (h *history) begin(first sample) { h.kept = []sample{first} }

// base returns the sample to compare now with: the oldest of the window, or the
// last one before it where nobody has asked since.
func (h *history) base(now sample) sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.kept) > 1 && now.at.Sub(h.kept[0].at) > window {
		h.kept = h.kept[1:]
	}
	base := h.kept[0]
	if now.at.Sub(h.kept[len(h.kept)-1].at) >= spacing {
		h.kept = append(h.kept, now)
	}
	return base
}
