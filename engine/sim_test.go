package engine

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// simSeed repeats one run of the simulation: go test ./engine -run Simulation -seed N.
var simSeed = flag.Uint64("seed", 0, "seed of the one simulation to run")

// sim is a whole engine stepped by one goroutine: a scheduler that draws whose
// turn it is from a seed, a clock that moves when it likes, and a disk that has
// room when it likes.
type sim struct {
	*Engine
	random     *rand.Rand
	now        cpu.Ticks
	publishers []*ingest.Publisher // the last stands for a sender that can be held
	workers    []duty.Worker
	weights    []int // of their turns
	disk, dead *simLog
	asking     asking
	tallied    tallied

	slotsFree int             // before anything was published
	sent      []uint64        // by publisher
	unruly    map[uint64]bool // ids that were sent twice or failed: they may overtake
	watched   watch
	plant     func(*sim) // a bug, done now and then
	fault     string     // the first thing found wrong
}

// simLog is a log on a disk that has room for so many records, and that syncs
// when it likes.
type simLog struct {
	room          int
	last, durable uint64 // sequences
	took          func(*event.Header)
}

func (l *simLog) Append(h *event.Header) (uint64, bool) {
	if l.room == 0 {
		return 0, false
	}
	l.room--
	l.last++
	l.took(h)
	return l.last, true
}

func (l *simLog) Offer() bool           { return false }
func (l *simLog) Commit() (int, error)  { return 0, nil }
func (l *simLog) Written() uint64       { return 0 }
func (l *simLog) Durable() uint64       { return l.durable }
func (l *simLog) Release(uint64)        {}
func (l *simLog) Err() error            { return nil }
func (l *simLog) Gathered() uint64      { return 0 }
func (l *simLog) Counts() store.Counts  { return store.Counts{} }
func (l *simLog) Full() bool            { return false }
func (l *simLog) Damage() *store.Damage { return nil }
func (l *simLog) Close() error          { return nil }
func (l *simLog) Step(cpu.Ticks) int    { return 0 }

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

func simConfig() Config {
	cfg := Default("sim")
	cfg.Pool = memory.Classes{{Size: 256, Count: 300}, {Size: 512, Count: 1}, {Size: 1024, Count: 1}, {Size: 1<<20 + 4<<10, Count: 1}}
	cfg.Lanes, cfg.Dead.Depth = bus.Depths{64, 64, 64}, 64
	cfg.Control.MinEvents = 50
	cfg.Dedup.Bytes, cfg.Dedup.Producers = 128<<10, 64
	cfg.Publishers = 2
	cfg.Clock = cpu.NewClock(1e9)
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func newSim(seed uint64, plant func(*sim)) (*sim, error) {
	s := &sim{random: rand.New(rand.NewPCG(seed, 1)), now: cpu.Now(), unruly: map[uint64]bool{}, plant: plant}
	cfg := simConfig()
	cfg.Feeds = []Feed{func(p *ingest.Publisher) duty.Worker {
		s.publishers = append(s.publishers, p)
		return &simLog{} // it publishes when the simulation says so
	}}
	if seed%4 < 2 { // lanes in parts, which helpers take over and give back
		cfg.Plan.Helpers, cfg.Plan.Sublanes = make([]Thread, 1+seed%2), 4
		cfg.Lanes = bus.Depths{64, 256, 256}
	}
	cfg.Windows = simWindows(seed)
	cfg.Replicated = new(process.Watermark)
	cfg.Handlers = []process.Handler{{Pattern: "#", Handle: s.handle}}
	s.Engine = unassembled(cfg)
	s.disk, s.dead = &simLog{took: s.stored}, &simLog{took: s.buried}
	s.log, s.Engine.dead.log, s.Engine.dead.text = s.disk, s.dead, nowhere{io.Discard}
	if err := s.assemble(func() (process.Log, duty.Worker) { return s.disk, s.disk }); err != nil {
		return nil, err
	}
	s.controller.first = s.now
	s.beginAsking()
	for range cfg.Publishers {
		s.publishers = append([]*ingest.Publisher{<-s.desk.free}, s.publishers...)
	}
	s.sent = make([]uint64, len(s.publishers))
	for _, stage := range stages {
		s.workers = append(s.workers, s.staff.workers[stage]...)
	}
	for i := range cfg.Plan.Helpers {
		s.workers = append(s.workers, s.staff.helper(i)...)
	}
	s.weights = make([]int, len(s.workers))
	s.slotsFree = s.free()
	return s, nil
}

var errSim = fmt.Errorf("drawn to fail")

func (s *sim) handle(e *process.Event) error {
	if e.Priority.Lane() == event.LaneTransactional && s.random.IntN(20) == 0 {
		s.unruly[e.ID] = true
		return errSim
	}
	return nil
}

// run takes so many turns, then lets everything come out.
func (s *sim) run(turns int) string {
	for turn := range turns {
		if turn%150 == 0 {
			s.reshuffle()
		}
		s.turn()
		if turn%10 == 0 {
			s.conserved()
		}
		if s.fault != "" {
			return fmt.Sprintf("turn %d: %s", turn, s.fault)
		}
	}
	s.controller.ended.Store(true)
	s.windows.Finish()
	for round := 0; round < 3000 && !(s.resulted() && s.windows.Finished()); round++ {
		s.disk.room, s.dead.room = 1000, 1000
		s.sync(true)
		s.now += 5_000_000
		for _, w := range s.workers {
			s.step(w)
		}
	}
	for range 60 { // at rest every state is left again
		s.now += cpu.Ticks(control.Every)
		s.step(s.controller)
	}
	s.sync(true)
	s.step(s.storer)
	if s.conserved(); s.fault == "" && s.Stats().InFlight() != 0 {
		s.complain("%d events never came out", s.Stats().InFlight())
	}
	s.allAnswered()
	s.allTallied()
	if s.watched.state != control.Healthy {
		s.complain("%v with nothing to do", s.watched.state)
	}
	return s.fault
}

// reshuffle draws how often each worker has its turn: some starve.
func (s *sim) reshuffle() {
	for i := range s.weights {
		s.weights[i] = s.random.IntN(4) * s.random.IntN(4)
	}
}

func (s *sim) turn() {
	switch s.random.IntN(12) {
	case 0, 1:
		s.publish(s.random.IntN(len(s.publishers)), 1+s.random.IntN(40))
	case 2:
		s.now += cpu.Ticks(s.random.IntN(30_000_000))
	case 3:
		s.disk.room, s.dead.room = s.random.IntN(200), s.random.IntN(100)
		s.sync(s.random.IntN(2) == 0)
	case 4:
		if s.plant != nil && s.random.IntN(10) == 0 {
			s.plant(s)
		}
	default:
		i := s.random.IntN(len(s.workers))
		for range s.weights[i] {
			s.step(s.workers[i])
		}
	}
}

var simTopics = []string{"a/b", "a", "c/d/e", "a/c", "x", "y"}

// publish sends n events, of ids that count up, and now and then one again.
func (s *sim) publish(who, n int) {
	p := s.publishers[who]
	for range n {
		s.sent[who]++
		id := uint64(who+1)<<40 | s.sent[who]
		if s.random.IntN(10) == 0 {
			id -= uint64(s.random.IntN(int(min(s.sent[who], 20))))
			s.unruly[id] = true
		}
		e := ingest.Event{Topic: simTopics[s.random.IntN(len(simTopics))], ID: id, Priority: event.Priority(s.random.IntN(event.Priorities)), Payload: s.timed()}
		if who < len(s.publishers)-1 || s.random.IntN(2) == 0 {
			p.PublishBatch([]ingest.Event{e})
		} else {
			s.ask(&e)
		}
	}
}

func (s *sim) complain(format string, args ...any) {
	if s.fault == "" {
		s.fault = fmt.Sprintf(format, args...)
	}
}

// watch is what the simulation remembers to judge by.
type watch struct {
	last    map[string]uint64 // by publisher and lane: the last id stored
	once    map[uint64]bool   // transactions stored
	inStep  int               // the lane of the last event stored in this step of the storer, plus 1
	state   control.State
	calm    int // evaluations since the last change
	reached [control.States]bool
}

func (s *sim) step(w duty.Worker) {
	s.watched.inStep = 0
	due := w == duty.Worker(s.controller) && s.now >= s.controller.due
	w.Step(s.now)
	s.hear()
	if due {
		s.judge()
	}
}

// stored judges order: of a publisher within a lane, and of lanes within a step.
func (s *sim) stored(h *event.Header) {
	w := &s.watched
	if w.last == nil {
		w.last, w.once = map[string]uint64{}, map[uint64]bool{}
	}
	s.asking.note(h, s.disk.last)
	s.tally(h)
	lane := h.Priority.Lane()
	if int(lane)+1 < w.inStep {
		s.complain("%v event stored after one of the %v lane in one step", h.Priority, event.Lane(w.inStep-1))
	}
	w.inStep = int(lane) + 1
	if lane == event.LaneTransactional {
		if w.once[h.ID] {
			s.complain("transaction %#x stored twice", h.ID)
		}
		w.once[h.ID] = true
	}
	if s.unruly[h.ID] {
		return
	}
	key := fmt.Sprint(h.ID>>40, lane)
	if h.ID <= w.last[key] {
		s.complain("%v lane: event %#x stored after %#x", lane, h.ID, w.last[key])
	}
	w.last[key] = h.ID
}

// buried judges who is given up on: nobody gives an order against CRITICAL, and
// a sender that can be held loses nothing to a full lane.
func (s *sim) buried(h *event.Header) {
	s.tally(h)
	reason := wire.Reason(h.Reason)
	ordered := reason == wire.ReasonBackpressure || reason == wire.ReasonEmergency
	if h.Priority == event.Critical && ordered {
		s.complain("CRITICAL event given up on: %v", reason)
	}
	if h.Priority.Lane() == event.LaneTransactional && reason == wire.ReasonBackpressure {
		s.complain("transaction given up on in %v", s.watched.state)
	}
	if !bus.Lossy(h.Origin) && reason == wire.ReasonQueueFull {
		s.complain("a sender that can be held lost an event to a full lane")
	}
}

// conserved compares the account with the slots that are out: two ways of
// counting that share nothing.
func (s *sim) conserved() {
	out := s.slotsFree - s.free()
	if stats := s.Stats(); stats.InFlight() != uint64(out) {
		s.complain("%d events in flight by the account, %d slots are out: %+v", int64(stats.InFlight()), out, stats)
	}
}

// free is how many slots are home.
func (s *sim) free() (n int) {
	for _, p := range s.gate.pools {
		for p.Reclaim() > 0 {
		}
		for class := range event.MaxClasses {
			n += p.Free(class)
		}
	}
	return n
}

// judge holds a transition against the table, read anew.
func (s *sim) judge() {
	w, status := &s.watched, s.Plane.Status()
	f, to := status.Figures, status.Decision.State
	w.reached[to] = true
	worst := max(row(f.Depth, 0.5, 0.75, 1, 1.5000001), control.Healthy)
	if f.Rated {
		worst = max(worst, row(f.DropRate, 0.01, 0.02, 0.04, 0.10))
	}
	w.calm++
	switch {
	case worst > w.state && to != worst:
		s.complain("%v at %+v: want %v", to, f, worst)
	case worst <= w.state && to > w.state:
		s.complain("%v after %v at %+v", to, w.state, f)
	case to < w.state && (to != w.state-1 || w.calm < 10):
		s.complain("%v after %v, which stood for %d evaluations, at %+v", to, w.state, w.calm, f)
	}
	if to != w.state {
		w.state, w.calm = to, 0
	}
}

// row is the line of the table that a figure stands in.
func row(figure float64, bounds ...float64) (s control.State) {
	for i, bound := range bounds {
		if figure >= bound {
			s = control.State(i + 1)
		}
	}
	return s
}

// batch is a sub-lane of the BATCH lane.
func (s *sim) batch(i int) *bus.Lane { return &s.bus.Routed[s.bus.At(event.LaneBatch)+i] }

const simTurns = 1500

func simulate(t *testing.T, seed uint64, plant func(*sim)) (fault string, reached [control.States]bool) {
	t.Helper()
	s, err := newSim(seed, plant)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Engine.Close()
	return s.run(simTurns), s.watched.reached
}

// TestSimulation holds the whole engine to its promises, over a thousand seeds:
// conservation, order, CRITICAL's precedence, the table of states, answers that
// are true and come once, and windows that have each event once.
func TestSimulation(t *testing.T) {
	first, seeds := uint64(1), uint64(1000)
	if testing.Short() {
		seeds = 50
	}
	if *simSeed != 0 {
		first, seeds = *simSeed, 1
	}
	var reached [control.States]int
	began := time.Now()
	for seed := first; seed < first+seeds; seed++ {
		fault, states := simulate(t, seed, nil)
		if fault != "" {
			t.Fatalf("-seed %d: %s", seed, fault)
		}
		for i, is := range states {
			if is {
				reached[i]++
			}
		}
	}
	t.Logf("%d seeds of %d turns in %v; runs that reached each state: %v", seeds, simTurns, time.Since(began).Round(time.Millisecond), reached)
	for i, n := range reached {
		if n == 0 && seeds > 1 {
			t.Errorf("no run reached %v", control.State(i))
		}
	}
}

// TestSimulationFindsPlantedBugs: one for each promise.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	refs := make([]event.Ref, 64)
	for name, c := range map[string]struct {
		plant func(*sim)
		want  string
	}{
		"an event is lost": {func(s *sim) { s.bus.Routed[0].PopBatch(refs[:1]) }, "never came out"},
		"an event goes home uncounted": {func(s *sim) {
			s.slots.Return(refs[:s.bus.Routed[0].PopBatch(refs[:1])])
		}, "slots are out"},
		"a lane is turned round": {func(s *sim) {
			n := s.batch(0).PopBatch(refs)
			slices.Reverse(refs[:n])
			s.batch(0).Hand(refs[:n])
		}, "stored after"},
		"a producer changes its sub-lane": {func(s *sim) {
			if s.bus.Sublanes > 1 {
				s.batch(2).Hand(refs[:s.batch(1).PopBatch(refs[:1])])
			}
		}, "stored after"},
		"CRITICAL is given up on": {func(s *sim) { s.orders.Give(bus.Order{Least: event.Priorities}) }, "given up on"},
		"a state is skipped": {func(s *sim) {
			s.Plane.Override(control.Healthy, time.Time{})
			s.Plane.Resume()
		}, "after "},
		"replicated is said too soon": {func(s *sim) { s.cfg.Replicated.Advance(s.disk.last + 5) }, "answered replicated"},
		"durable is said too soon":    {func(s *sim) { s.disk.durable += 5 }, "answered durable"},
		"a question is forgotten": {func(s *sim) {
			n := s.batch(0).PopBatch(refs)
			for _, r := range refs[:n] {
				s.slots.At(r).Answer = 0
			}
			s.batch(0).Hand(refs[:n])
		}, "never answered"},
		"an answer is given twice": {func(s *sim) {
			for q := range s.asking.answered {
				s.askers.Tell(0, q, wire.Stored, wire.ReasonNone)
				break
			}
		}, "answered twice"},
		"an event is missing in its window": {func(s *sim) { s.spoil(refs) }, "in results"},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= 200; seed++ {
				if fault, _ := simulate(t, seed, c.plant); fault != "" {
					if !strings.Contains(fault, c.want) {
						t.Errorf("found %q, want %q", fault, c.want)
					}
					t.Logf("seed %d: %s", seed, fault)
					return
				}
			}
			t.Error("not found in 200 seeds")
		})
	}
}
