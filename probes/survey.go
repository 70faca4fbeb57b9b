package probes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/probes/topology"
)

// Survey is what was found out about one machine. A part that was not asked for
// is nil; what was asked for and could not be had is in Missing, with the reason.
type Survey struct {
	Schema    int                `json:"schema"` // of this JSON: 1
	Taken     time.Time          `json:"taken"`
	CPUs      topology.List      `json:"cpus"` // measured on
	Topology  *topology.Topology `json:"topology,omitempty"`
	Facts     []Fact             `json:"cpuid,omitempty"`
	Clock     *ClockSurvey       `json:"clock,omitempty"`
	Fitness   *Fitness           `json:"fitness,omitempty"`
	Transfers *Transfers         `json:"core_to_core,omitempty"`
	Curves    []Curve            `json:"memory,omitempty"`
	Atomics   []Floor            `json:"atomics,omitempty"`
	Kernel    []Floor            `json:"kernel,omitempty"`
	Network   []Floor            `json:"network,omitempty"`
	Disk      []Floor            `json:"disk,omitempty"`
	Perf      *PerfSurvey        `json:"perf,omitempty"`
	Jitter    []Jitter           `json:"jitter,omitempty"`
	Calm      []Jitter           `json:"jitter_without_preemption,omitempty"` // the runtime's timer off
	Missing   []string           `json:"missing"`
}

// ClockSurvey is the ruler and how the CPUs' counters stand to each other.
type ClockSurvey struct {
	Ruler     Ruler    `json:"ruler"`
	Agreement float64  `json:"agreement"` // of the last two calibrations, relative
	Trusted   bool     `json:"trusted"`
	Doubt     string   `json:"doubt,omitempty"`
	Read      Floor    `json:"read"`  // one cpu.Now after another
	Empty     Floor    `json:"empty"` // an interval of nothing: cpu.Now, cpu.End
	TimeNow   Floor    `json:"time_now"`
	Offsets   []Offset `json:"offsets"` // of every CPU against the first
	Rates     []Pace   `json:"rates"`
}

// Pace is how fast one CPU executes: a chain of dependent additions.
type Pace struct {
	CPU int     `json:"cpu"`
	GHz float64 `json:"ghz"`
}

// Session is what the parts of a survey work with.
type Session struct {
	Clock    cpu.Clock
	Root     fs.FS // where proc and sys are
	Topology *topology.Topology
	CPUs     topology.List // to measure on, the first one foremost
	Dir      string        // on the filesystem to be measured
	Full     bool          // every pair of CPUs, however many
	Jitter   time.Duration // how long to spin
	Budgets  map[string]time.Duration

	// Calm measures jitter without the runtime's pre-emption, which only a fresh
	// process can; nil leaves it out.
	Calm func() ([]Jitter, error)
	// Progress is called before each part and, within long ones, between
	// measurements; never during one. It may be nil.
	Progress func(part string, done, of int)
}

// Parts are the names of what a survey can measure, in the order in which Take
// measures them, and how long each takes on two CPUs.
func Parts() []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return names
}

type part struct {
	name   string
	budget time.Duration // unless Session.Budgets says otherwise
	take   func(s *Session, into *Survey, budget time.Duration) error
}

var parts = []part{
	{"clock", 400 * time.Millisecond, (*Session).takeClock},
	{"doctor", 500 * time.Millisecond, (*Session).takeDoctor},
	{"c2c", 3 * time.Second, (*Session).takeTransfers},
	{"memory", 15 * time.Second, (*Session).takeMemory},
	{"atomics", time.Second, (*Session).takeAtomics},
	{"kernel", 2 * time.Second, (*Session).takeKernel},
	{"net", 2 * time.Second, (*Session).takeNetwork},
	{"disk", 3 * time.Second, (*Session).takeDisk},
	{"perf", 0, (*Session).takePerf},
	{"jitter", 10 * time.Second, (*Session).takeJitter},
}

// Take measures the parts named, in its own order. A part that this machine
// cannot be measured for goes to Missing; an error is a failure of another
// kind, with what was measured until then.
func (s *Session) Take(ctx context.Context, names ...string) (Survey, error) {
	out := Survey{Schema: 1, Taken: time.Now().UTC(), CPUs: s.CPUs, Missing: []string{}}
	for _, name := range names {
		if !slices.Contains(Parts(), name) {
			return out, fmt.Errorf("no part %q: one of %v", name, Parts())
		}
	}
	for _, p := range parts {
		if !slices.Contains(names, p.name) {
			continue
		}
		if ctx.Err() != nil {
			out.Missing = append(out.Missing, p.name+": interrupted")
			continue
		}
		s.progress(p.name, 0, 1)
		budget := p.budget
		if b, set := s.Budgets[p.name]; set {
			budget = b
		}
		err := p.take(s, &out, budget)
		switch {
		case errors.Is(err, ErrOneCPU), errors.Is(err, cpu.ErrUnsupported):
			out.Missing = append(out.Missing, p.name+": "+err.Error())
		case err != nil:
			return out, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return out, nil
}

func (s *Session) progress(part string, done, of int) {
	if s.Progress != nil {
		s.Progress(part, done, of)
	}
}

// peer is another CPU to measure against, nil on one CPU.
func (s *Session) peer() *int {
	if len(s.CPUs) < 2 {
		return nil
	}
	return &s.CPUs[1]
}

func (s *Session) takeClock(into *Survey, budget time.Duration) error {
	ruler, err := CheckRuler(s.Clock)
	if err != nil && !errors.Is(err, ErrRuler) {
		return err
	}
	c := &ClockSurvey{Ruler: ruler, Agreement: s.Clock.Agreement, Trusted: err == nil, Offsets: []Offset{}, Rates: []Pace{}}
	if err != nil {
		c.Doubt = err.Error()
	}
	if err := c.takeReads(s.Clock, s.CPUs[0], budget/6); err != nil {
		return err
	}
	into.Clock = c
	for i, other := range s.CPUs {
		pace := Pace{CPU: other}
		if err := pinned(other, func() { pace.GHz = effectiveGHz(s.Clock) }); err != nil {
			return err
		}
		c.Rates = append(c.Rates, pace)
		if i == 0 {
			continue
		}
		o, err := counterOffset(s.Clock, s.CPUs[0], other, max(budget/time.Duration(2*len(s.CPUs)), time.Millisecond))
		if err != nil {
			return err
		}
		c.Offsets = append(c.Offsets, o)
		s.progress("clock", i, len(s.CPUs)-1)
	}
	return nil
}

// takeReads times the three ways to read a clock.
func (c *ClockSurvey) takeReads(clock cpu.Clock, on int, budget time.Duration) (err error) {
	var reads, empty []float64
	err = pinned(on, func() {
		reads = amortise(clock, budget, func(n int) {
			for range n {
				cpu.Now()
			}
		})
		empty = sampleUntil(clock, budget, func() float64 { return timed(clock, 0, func(int) {}) })
	})
	if err != nil {
		return err
	}
	if c.Read, err = newFloor("clock_read", "one read after another, amortised", reads); err != nil {
		return err
	}
	if c.Empty, err = newFloor("empty_interval", "two reads with nothing between, each a sample, in steps of the counter", empty); err != nil {
		return err
	}
	c.TimeNow, err = timeNow(clock, on, budget)
	return err
}

func (s *Session) takeDoctor(into *Survey, budget time.Duration) error {
	f := Doctor(s.Clock, s.Root, s.Topology, s.CPUs, s.Dir, budget/2)
	into.Fitness, into.Facts = &f, CrossCheck(s.Topology)
	return nil
}

func (s *Session) takeTransfers(into *Survey, budget time.Duration) error {
	x, err := MeasureTransfers(s.Clock, s.Topology, s.CPUs, s.Full, budget, func(done, of int) { s.progress("c2c", done, of) })
	if err != nil {
		return err
	}
	into.Transfers = &x
	if nodes := s.Topology.MemoryNodes(); len(nodes) > 1 {
		return s.takeHomes(into, nodes)
	}
	return nil
}

// homeBudget is for one pair and one node.
const homeBudget = 20 * time.Millisecond

// takeHomes measures the first pair with its line on each node in turn.
func (s *Session) takeHomes(into *Survey, nodes topology.List) error {
	for _, n := range nodes {
		f, err := lineTransferOn(s.Clock, s.CPUs[0], s.CPUs[1], n, homeBudget)
		if err != nil {
			into.Missing = append(into.Missing, fmt.Sprintf("c2c with the line on node %d: %v", n, err))
			continue
		}
		into.Transfers.Homes = append(into.Transfers.Homes, Home{Node: n, OneWay: f})
	}
	return nil
}

func (s *Session) takeMemory(into *Survey, budget time.Duration) error {
	sizes := CurveSizes(largestCache(s.Topology))
	views := Views(s.Topology, s.CPUs)
	points := 0
	for _, v := range views {
		points += len(v.sizes(sizes))
	}
	for i, v := range views {
		if i > 0 {
			s.progress("memory", i, len(views))
		}
		share := budget * time.Duration(len(v.sizes(sizes))) / time.Duration(points)
		c, err := MeasureCurve(s.Clock, v.CPU, v.Node, v.sizes(sizes), share)
		if err != nil {
			return err
		}
		into.Curves = append(into.Curves, c)
	}
	return nil
}

// sizes are those that the view is to be measured at.
func (v View) sizes(all []int) []int {
	if v.Full {
		return all
	}
	return all[len(all)-1:]
}

func largestCache(t *topology.Topology) (bytes int64) {
	for _, c := range t.Caches {
		if c.SizeBytes != nil {
			bytes = max(bytes, *c.SizeBytes)
		}
	}
	return bytes
}

func (s *Session) takeAtomics(into *Survey, budget time.Duration) (err error) {
	var missing []string
	into.Atomics, missing, err = Atomics(s.Clock, s.CPUs[0], s.peer(), budget)
	into.Missing = append(into.Missing, missing...)
	return err
}

func (s *Session) takeKernel(into *Survey, budget time.Duration) (err error) {
	var missing []string
	into.Kernel, missing, err = Kernel(s.Clock, s.CPUs[0], s.peer(), budget)
	into.Missing = append(into.Missing, missing...)
	return err
}

func (s *Session) takeNetwork(into *Survey, budget time.Duration) (err error) {
	if s.peer() == nil {
		return fmt.Errorf("loopback round trips: %w", ErrOneCPU)
	}
	into.Network, err = Network(s.Clock, s.CPUs[0], *s.peer(), budget)
	return err
}

func (s *Session) takeDisk(into *Survey, budget time.Duration) (err error) {
	var missing []string
	into.Disk, missing, err = Disk(s.Clock, s.Dir, budget)
	into.Missing = append(into.Missing, missing...)
	return err
}

// takePerf takes no budget: two walks of known length.
func (s *Session) takePerf(into *Survey, _ time.Duration) error {
	p, err := surveyPerf(s.CPUs[0])
	if err != nil {
		into.Missing = append(into.Missing, "perf: "+err.Error())
		return nil
	}
	into.Perf = &p
	return nil
}

func (s *Session) takeJitter(into *Survey, budget time.Duration) (err error) {
	duration := s.Jitter
	if duration == 0 {
		duration = budget / 2
	}
	if into.Jitter, err = MeasureJitter(s.Clock, s.Root, s.CPUs, duration); err != nil || s.Calm == nil {
		return err
	}
	s.progress("jitter", 1, 2)
	if into.Calm, err = s.Calm(); err != nil {
		into.Missing = append(into.Missing, "jitter without the runtime's pre-emption: "+err.Error())
	}
	return nil
}

// Measured reports whether any part was measured.
func (v Survey) Measured() bool {
	return v.Clock != nil || v.Fitness != nil || v.Transfers != nil || v.Perf != nil || len(v.Curves)+len(v.Atomics)+len(v.Kernel)+len(v.Network)+len(v.Disk)+len(v.Jitter) > 0
}
