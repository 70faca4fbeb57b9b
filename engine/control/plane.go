package control

import (
	"sync"
	"time"
)

const (
	// Every is the time between two evaluations.
	Every = 100 * time.Millisecond

	window  = time.Second         // that the drop rate is taken over
	spans   = int(window / Every) // samples, of which the oldest is that old
	calmFor = 10                  // evaluations in a row that must allow a milder state
	changes = 64                  // transitions kept
)

// Plane is one controller: thresholds, a second of samples, and the state that
// they led to. Any goroutine may call its methods; one of them samples.
type Plane struct {
	thresholds Thresholds
	bounds     [States]bound

	mu       sync.Mutex
	samples  [spans]Sample // the evaluated ones: a ring
	taken    uint64        // how many were evaluated
	figures  Figures
	decision Decision
	manual   bool
	calm     int // evaluations in a row that would allow a milder state
	changes  [changes]Transition
	changed  uint64 // how many there were
}

// Figures are what an evaluation judged.
type Figures struct {
	Depth     float64 `json:"depth"`      // of the fullest lane; 1 is its bound
	DropRate  float64 `json:"drop_rate"`  // 0 to 1, over the last second
	Received  uint64  `json:"received"`   // events in that second
	Dropped   uint64  `json:"dropped"`    // of them, involuntarily
	Rated     bool    `json:"rated"`      // there were enough events for the drop rate to count
	LatencyNs int64   `json:"latency_ns"` // as sampled
}

// Transition is a change of state, with the figures that caused it.
type Transition struct {
	At      time.Time `json:"at"`
	From    State     `json:"from"`
	To      State     `json:"to"`
	Manual  bool      `json:"manual"` // by Override, not by the figures
	Figures Figures   `json:"figures"`
}

// Status is a Plane at one moment.
type Status struct {
	Decision    Decision     `json:"decision"`
	Manual      bool         `json:"manual"` // held by Override
	Figures     Figures      `json:"figures"`
	Evaluated   uint64       `json:"evaluated"`   // samples, since it last began anew
	Transitions []Transition `json:"transitions"` // the last 64, oldest first
}

// NewPlane begins in HEALTHY. The thresholds must be valid.
func NewPlane(t Thresholds) *Plane {
	return &Plane{thresholds: t, bounds: boundsOf(t)}
}

// Step evaluates the sample, if Every has passed since the one before, and says
// what to do now.
func (p *Plane) Step(s Sample) Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken > 0 && s.Now.Sub(p.sample(1).Now) < Every {
		return p.decision
	}
	p.figures = p.measure(s)
	p.samples[p.taken%uint64(spans)] = s
	p.taken++
	if !p.manual {
		p.follow(s.Now)
	}
	p.decision.Late = s.Latency > p.thresholds.MaxLatency
	return p.decision
}

// sample is the one evaluated back evaluations ago: 1 is the last.
func (p *Plane) sample(back uint64) *Sample { return &p.samples[(p.taken-back)%uint64(spans)] }

// measure takes the rates between s and the youngest sample that is a second
// older, or the oldest there is.
func (p *Plane) measure(s Sample) Figures {
	f := Figures{Depth: s.Depth, LatencyNs: s.Latency.Nanoseconds()}
	if p.taken == 0 {
		return f
	}
	from := p.sample(1)
	for back := uint64(2); back <= min(p.taken, uint64(spans)) && s.Now.Sub(from.Now) < window; back++ {
		from = p.sample(back)
	}
	f.Received, f.Dropped = s.Received-from.Received, s.Dropped-from.Dropped
	f.DropRate = min(1, float64(f.Dropped)/float64(max(1, f.Received)))
	f.Rated = f.Received >= p.thresholds.MinEvents
	return f
}

// follow goes where the figures lead: to a worse state at once, to the next
// milder one when they have been calm for long enough.
func (p *Plane) follow(at time.Time) {
	now := p.decision.State
	if worst := p.worst(bound.reached); worst > now {
		p.turn(worst, at, false)
		return
	}
	if now == Healthy || p.worst(bound.near) >= now {
		p.calm = 0
		return
	}
	if p.calm++; p.calm == calmFor {
		p.turn(now-1, at, false)
	}
}

// worst is the worst state whose bound holds for the figures.
func (p *Plane) worst(holds func(bound, *Figures) bool) State {
	for s := Emergency; s > Healthy; s-- {
		if holds(p.bounds[s], &p.figures) {
			return s
		}
	}
	return Healthy
}

// turn changes the state and keeps the transition.
func (p *Plane) turn(to State, at time.Time, manual bool) {
	p.changes[p.changed%changes] = Transition{At: at, From: p.decision.State, To: to, Manual: manual, Figures: p.figures}
	p.changed++
	p.calm = 0
	late := p.decision.Late
	p.decision = decide(to)
	p.decision.Late = late
}

// Override holds the plane in a state until Resume, whatever the figures say.
func (p *Plane) Override(s State, now time.Time) Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manual = true
	if s != p.decision.State {
		p.turn(s, now, true)
	}
	return p.decision
}

// Resume lets the figures decide again, from the state held: they leave it as
// they would leave any.
func (p *Plane) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manual, p.calm = false, 0
}

// Forget begins anew, in HEALTHY and without a past: for who changes what the
// engine is under. Only the transitions that there were are kept.
func (p *Plane) Forget(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manual, p.taken, p.figures = false, 0, Figures{}
	if p.decision.State != Healthy {
		p.turn(Healthy, now, true)
	}
	p.calm = 0
}

// Status copies what the plane holds.
func (p *Plane) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Decision: p.decision, Manual: p.manual, Figures: p.figures, Evaluated: p.taken}
	n := min(p.changed, changes)
	s.Transitions = make([]Transition, 0, n)
	for i := p.changed - n; i < p.changed; i++ {
		s.Transitions = append(s.Transitions, p.changes[i%changes])
	}
	return s
}

// bound is where a state begins: at either figure.
type bound struct {
	depth, drops float64
	beyond       bool    // the depth must be exceeded, not just reached
	recovery     float64 // the share of both under which the state may be left
}

// boundsOf is the table.
func boundsOf(t Thresholds) [States]bound {
	return [States]bound{
		Elevated:  {depth: 0.50, drops: 0.5 * t.MaxDropRate, recovery: t.RecoveryFactor},
		Degraded:  {depth: 0.75, drops: 1 * t.MaxDropRate, recovery: t.RecoveryFactor},
		Critical:  {depth: 1.00, drops: 2 * t.MaxDropRate, recovery: t.RecoveryFactor},
		Emergency: {depth: 1.50, drops: 5 * t.MaxDropRate, recovery: t.RecoveryFactor, beyond: true},
	}
}

// reached reports whether the state begins.
func (b bound) reached(f *Figures) bool {
	if f.Rated && f.DropRate >= b.drops {
		return true
	}
	return f.Depth > b.depth || f.Depth == b.depth && !b.beyond
}

// near reports whether the state may not be left yet.
func (b bound) near(f *Figures) bool {
	return f.Depth >= b.recovery*b.depth || f.Rated && f.DropRate >= b.recovery*b.drops
}
