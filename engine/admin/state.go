package admin

import (
	"runtime"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// state is what /state answers. Times are in ns unless named otherwise, and
// rates are per second over the last Window seconds.
type state struct {
	At      time.Time         `json:"at"`
	Version string            `json:"version"`
	Uptime  float64           `json:"uptime_s"` // of this port
	Window  float64           `json:"window_s"`
	Ready   bool              `json:"ready"`
	Changes bool              `json:"changes"` // POST /state works
	Address string            `json:"address"` // of the frame port
	Control control.Status    `json:"control"`
	Totals  totals            `json:"totals"`
	Rates   totals            `json:"rates"`
	Dropped map[string]uint64 `json:"dropped_by_reason"`
	Dedup   float64           `json:"dedup_held_s"` // how long ids are really remembered
	Clients clients           `json:"clients"`
	Lanes   []lane            `json:"lanes"`
	Threads []thread          `json:"threads"`
	Process host              `json:"process"`
}

// totals are events since the start, or events a second.
type totals struct {
	Received  float64 `json:"received"`
	Processed float64 `json:"processed"`
	Stored    float64 `json:"stored"`
	Bytes     float64 `json:"bytes"`
	Created   float64 `json:"created"`   // results of windows
	Folded    float64 `json:"folded"`    // into such a result
	Duplicate float64 `json:"duplicate"` // released, for their id had succeeded
	Dropped   float64 `json:"dropped"`   // given up on, for any reason
	Lost      float64 `json:"uncaptured"`
	InFlight  float64 `json:"in_flight"` // as a rate: how fast it grows
	HeldLane  float64 `json:"held_lane_full"`
	HeldSlot  float64 `json:"held_no_slot"`
	Missed    float64 `json:"sla_missed"`
}

// clients are the connections to the frame port.
type clients struct {
	Open     uint64 `json:"open"`
	Accepted uint64 `json:"accepted_total"`
	Refused  uint64 `json:"refused_total"`
	CutOff   uint64 `json:"cut_off_total"` // closed by the server, for taking too long or for what they sent
	Answered uint64 `json:"answers_total"`
	Rejected uint64 `json:"rejected_total"` // frames read and not taken in
}

func clientsOf(c engine.Clients) clients {
	all := clients{Open: c.Open(), Accepted: c.Accepted, Refused: c.Refused, CutOff: c.Late + c.Unreading + c.Malformed, Answered: c.Answered}
	for _, n := range c.Rejected {
		all.Rejected += n
	}
	return all
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
	Queued    uint64  `json:"sla_missed_waiting_total"` // of those, late before they were taken up
	Processed late    `json:"processed"`                // received to processed
	Stored    late    `json:"stored"`                   // received to stored
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

type host struct {
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
		Ready: s.running() && !s.stopping.Load(), Changes: s.config.Token != "", Control: s.engine.Plane.Status(),
		Address: s.engine.Addr(), Totals: now.totals(), Rates: now.totals().since(base.totals(), seconds),
		Clients: clientsOf(s.engine.Clients()), Dropped: dropped(now.stats), Dedup: now.stats.DedupHeld.Seconds(),
		Process: host{now.usage, rate(now.usage.CPUSeconds, base.usage.CPUSeconds, seconds), runtime.NumGoroutine()},
	}
	depths := s.engine.Depths()
	for i := range event.Lane(event.Lanes) {
		processed := now.processed[i].Since(base.processed[i])
		v.Lanes = append(v.Lanes, lane{
			Name: i.String(), Depth: depths[i].Routed, StoreWait: depths[i].Processed, Capacity: depths[i].Capacity,
			Total: now.processed[i].Count, Rate: rate(float64(now.processed[i].Count), float64(base.processed[i].Count), seconds),
			SLA: engine.SLAs[i].Nanoseconds(), Missed: now.stats.Missed[i], Queued: now.stats.Queued[i],
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

// dropped names the reasons for which events were given up on.
func dropped(stats engine.Stats) map[string]uint64 {
	reasons := map[string]uint64{}
	for reason, n := range stats.Dropped {
		if n > 0 {
			reasons[wire.Reason(reason).String()] = n
		}
	}
	return reasons
}

func (s sample) totals() totals {
	t := totals{
		Received: float64(s.stats.Received), Stored: float64(s.stats.Stored), Bytes: float64(s.stats.Bytes),
		Created: float64(s.stats.Created), Folded: float64(s.stats.Folded), Duplicate: float64(s.stats.Duplicates), Lost: float64(s.stats.Uncaptured),
		InFlight: float64(s.stats.InFlight()), HeldLane: float64(s.stats.LaneFull), HeldSlot: float64(s.stats.NoSlot),
	}
	for _, n := range s.stats.Dropped {
		t.Dropped += float64(n)
	}
	for i, processed := range s.processed {
		t.Processed += float64(processed.Count)
		t.Missed += float64(s.stats.Missed[i])
	}
	return t
}

// since is what each figure has grown by a second.
func (t totals) since(base totals, seconds float64) totals {
	by := func(now, base float64) float64 { return rate(now, base, seconds) }
	return totals{
		Received: by(t.Received, base.Received), Processed: by(t.Processed, base.Processed), Stored: by(t.Stored, base.Stored), Bytes: by(t.Bytes, base.Bytes),
		Created: by(t.Created, base.Created), Folded: by(t.Folded, base.Folded), Duplicate: by(t.Duplicate, base.Duplicate), Dropped: by(t.Dropped, base.Dropped), Lost: by(t.Lost, base.Lost),
		InFlight: by(t.InFlight, base.InFlight), HeldLane: by(t.HeldLane, base.HeldLane), HeldSlot: by(t.HeldSlot, base.HeldSlot), Missed: by(t.Missed, base.Missed),
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
