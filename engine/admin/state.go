package admin

import (
	"runtime"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
)

// state is what /state answers. Times are in ns unless named otherwise, and
// rates are per second over the last Window seconds.
type state struct {
	At      time.Time       `json:"at"`
	Version string          `json:"version"`
	Uptime  float64         `json:"uptime_s"` // of this port
	Window  float64         `json:"window_s"`
	Ready   bool            `json:"ready"`
	Changes bool            `json:"changes"` // POST /state works
	Address string          `json:"address"` // of the frame port
	Control *control.Status `json:"control"`
	Totals  totals          `json:"totals"`
	Rates   totals          `json:"rates"`
	Lanes   []lane          `json:"lanes"`
	Threads []thread        `json:"threads"`
	Process process         `json:"process"`
}

// totals are events since the start, or events a second.
type totals struct {
	Received  float64 `json:"received"`
	Processed float64 `json:"processed"`
	Stored    float64 `json:"stored"`
	Bytes     float64 `json:"bytes"`
	InFlight  float64 `json:"in_flight"` // as a rate: how fast it grows
	HeldLane  float64 `json:"held_lane_full"`
	HeldSlot  float64 `json:"held_no_slot"`
	Missed    float64 `json:"sla_missed"`
}

type lane struct {
	Name      string  `json:"name"`
	Depth     int     `json:"depth"`       // events that wait for the processor
	StoreWait int     `json:"store_depth"` // events that wait for the store
	Capacity  int     `json:"capacity"`
	Total     uint64  `json:"processed_total"`
	Rate      float64 `json:"rate"`
	SLA       int64   `json:"sla_ns"`
	Missed    uint64  `json:"sla_missed_total"`
	Processed late    `json:"processed"` // received to processed
	Stored    late    `json:"stored"`    // received to stored
}

// late is a distribution of the window. A percentile of which there are too few
// events to know it is null.
type late struct {
	Count uint64 `json:"count"`
	P50   *int64 `json:"p50_ns"`
	P99   *int64 `json:"p99_ns"`
	P999  *int64 `json:"p999_ns"`
	Max   *int64 `json:"max_ns"`
}

type thread struct {
	Name        string  `json:"name"`
	CPU         int     `json:"cpu"` // that it is pinned to; -1 is none
	ID          int     `json:"id"`
	Allowed     []int   `json:"allowed"`
	Share       float64 `json:"cpu_share"` // of one CPU, in the window
	CPUSeconds  float64 `json:"cpu_s"`
	Voluntary   uint64  `json:"switches_voluntary"`
	Involuntary uint64  `json:"switches_involuntary"`
}

type process struct {
	usage
	Share      float64 `json:"cpu_share"` // of one CPU, in the window
	Goroutines int     `json:"goroutines"`
}

// look reads everything once, and compares it with what the last ones to ask saw.
func (s *Server) look() state {
	now := s.sample()
	base := s.history.base(now)
	seconds := now.at.Sub(base.at).Seconds()
	v := state{
		At: now.at, Version: s.config.Version, Uptime: now.at.Sub(s.began).Seconds(), Window: seconds,
		Ready: s.running() && !s.stopping.Load(), Changes: s.config.Plane != nil && s.config.Token != "",
		Address: s.engine.Addr(), Totals: now.totals(), Rates: now.totals().since(base.totals(), seconds),
		Process: process{now.usage, rate(now.usage.CPUSeconds, base.usage.CPUSeconds, seconds), runtime.NumGoroutine()},
	}
	if s.config.Plane != nil {
		status := s.config.Plane.Status()
		v.Control = &status
	}
	depths := s.engine.Depths()
	for i := range event.Lane(event.Lanes) {
		processed := now.processed[i].Since(base.processed[i])
		v.Lanes = append(v.Lanes, lane{
			Name: i.String(), Depth: depths[i].Routed, StoreWait: depths[i].Processed, Capacity: depths[i].Capacity,
			Total: now.processed[i].Count, Rate: rate(float64(now.processed[i].Count), float64(base.processed[i].Count), seconds),
			SLA: engine.SLAs[i].Nanoseconds(), Missed: now.stats.Missed[i],
			Processed: lateOf(processed), Stored: lateOf(now.stored[i].Since(base.stored[i])),
		})
	}
	v.Threads = s.threads(now, base, seconds)
	return v
}

func (s *Server) threads(now, base sample, seconds float64) (threads []thread) {
	for i, is := range now.usage.tasks {
		t := s.engine.Threads()[i]
		var was task
		if i < len(base.usage.tasks) {
			was = base.usage.tasks[i]
		}
		threads = append(threads, thread{
			Name: t.Name(), CPU: t.CPU(), ID: t.ID, Allowed: t.Allowed,
			Share: rate(is.cpuSeconds, was.cpuSeconds, seconds), CPUSeconds: is.cpuSeconds,
			Voluntary: is.voluntary, Involuntary: is.involuntary,
		})
	}
	return threads
}

func (s sample) totals() totals {
	t := totals{
		Received: float64(s.stats.Received), Stored: float64(s.stats.Stored), Bytes: float64(s.stats.Bytes),
		InFlight: float64(s.stats.InFlight()), HeldLane: float64(s.stats.LaneFull), HeldSlot: float64(s.stats.NoSlot),
	}
	for i, processed := range s.processed {
		t.Processed += float64(processed.Count)
		t.Missed += float64(s.stats.Missed[i])
	}
	return t
}

func (t totals) since(base totals, seconds float64) totals {
	return totals{
		Received: rate(t.Received, base.Received, seconds), Processed: rate(t.Processed, base.Processed, seconds),
		Stored: rate(t.Stored, base.Stored, seconds), Bytes: rate(t.Bytes, base.Bytes, seconds),
		InFlight: rate(t.InFlight, base.InFlight, seconds), HeldLane: rate(t.HeldLane, base.HeldLane, seconds),
		HeldSlot: rate(t.HeldSlot, base.HeldSlot, seconds), Missed: rate(t.Missed, base.Missed, seconds),
	}
}

func rate(now, base, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return (now - base) / seconds
}

// The fewest events that bear a percentile: fewer, and its 95 % interval has no
// upper end.
const (
	eventsP99  = 368
	eventsP999 = 3688
)

func lateOf(s *metrics.Snapshot) late {
	l := late{Count: s.Count}
	for _, p := range []struct {
		to    **int64
		least uint64
		q     float64
	}{{&l.P50, 1, 0.5}, {&l.P99, eventsP99, 0.99}, {&l.P999, eventsP999, 0.999}, {&l.Max, 1, 1}} {
		if s.Count >= p.least {
			ns := s.Quantile(p.q)
			*p.to = &ns
		}
	}
	return l
}
