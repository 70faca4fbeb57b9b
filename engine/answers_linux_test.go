package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/control"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/wire"
)

// patience bounds every wait for an answer.
const patience = 30 * time.Second

// asker is a client that asks.
type asker struct {
	net.Conn
	t *testing.T
}

func newAsker(t *testing.T, e *engine.Engine) *asker {
	t.Helper()
	c, err := net.Dial("tcp", e.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &asker{c, t}
}

// question is a frame that asks.
func question(id uint64, p event.Priority, l wire.Level) wire.Frame {
	return wire.Frame{Version: wire.V2, ID: senderID(int(id)), Priority: p, Flags: wire.WithLevel(l), Topic: []byte("ask/it"), Payload: []byte("payload")}
}

func (a *asker) ask(frames ...wire.Frame) {
	a.t.Helper()
	var b []byte
	for i := range frames {
		b = frames[i].Append(b)
	}
	if _, err := a.Write(b); err != nil {
		a.t.Fatal(err)
	}
}

// hear reads n answers.
func (a *asker) hear(n int) (heard []wire.Answer) {
	a.t.Helper()
	b := make([]byte, n*wire.AnswerSize)
	if _, err := io.ReadFull(a, b); err != nil {
		a.t.Fatalf("%d answers: %v", n, err)
	}
	for ; len(b) > 0; b = b[wire.AnswerSize:] {
		answer, status := wire.DecodeAnswer(b)
		if status != wire.OK {
			a.t.Fatalf("answer %x: %v", b[:wire.AnswerSize], status)
		}
		heard = append(heard, answer)
	}
	return heard
}

// want asks one thing and compares the answer.
func (a *asker) want(f wire.Frame, o wire.Outcome, r wire.Reason, m store.Mode) {
	a.t.Helper()
	a.ask(f)
	if got, want := a.hear(1)[0], (wire.Answer{ID: f.ID, Outcome: o, Reason: r, Mode: wire.Mode(m)}); got != want {
		a.t.Errorf("%v event: heard %v (%v), want %v (%v): %+v", f.Priority, got.Outcome, got.Reason, o, r, got)
	}
}

// listening is a small engine with a frame port.
func listening(t *testing.T, change func(*engine.Config)) (e *engine.Engine, stop func() error) {
	t.Helper()
	cfg := smallConfig(t)
	cfg.TCP.Address, cfg.Publishers = "127.0.0.1:0", 0
	cfg.Log.Mode = store.Group
	if change != nil {
		change(&cfg)
	}
	return running(t, cfg)
}

// TestAnswersByModeAndLevel: each mode promises what it can, and says which it is.
func TestAnswersByModeAndLevel(t *testing.T) {
	for name, plan := range plans {
		for mode := store.Group; mode <= store.OS; mode++ {
			t.Run(fmt.Sprint(name, "/", mode), func(t *testing.T) {
				e, _ := listening(t, func(c *engine.Config) { c.Plan, c.Log.Mode = plan, mode })
				a := newAsker(t, e)
				for p := range event.Priority(event.Priorities) {
					id := 10 * uint64(p)
					a.want(question(id+1, p, wire.LevelStored), wire.Stored, wire.ReasonNone, mode)
					if mode == store.OS {
						a.want(question(id+2, p, wire.LevelDurable), wire.Rejected, wire.ReasonUnavailable, mode)
					} else {
						a.want(question(id+2, p, wire.LevelDurable), wire.Durable, wire.ReasonNone, mode)
					}
					a.want(question(id+3, p, wire.LevelReplicated), wire.Rejected, wire.ReasonUnavailable, mode)
				}
			})
		}
	}
}

// TestDuplicatesAreAnsweredBehindTheFirst: also at the level that it was not
// asked for, and over a restart.
func TestDuplicatesAreAnsweredBehindTheFirst(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		e, stop := listening(t, func(c *engine.Config) { c.Log.Dir = dir })
		a := newAsker(t, e)
		first, again := question(1, event.Medium, wire.LevelStored), question(1, event.Medium, wire.LevelDurable)
		a.ask(first, again, question(2, event.Medium, wire.LevelDurable))
		heard := map[wire.Outcome]int{}
		for _, answer := range a.hear(3) {
			heard[answer.Outcome]++
			if answer.Outcome == wire.Duplicate && e.Stats().Durable == 0 {
				t.Error("a duplicate was answered before the first was durable")
			}
		}
		restarted := e.Recovery.Last > 0
		if want := map[bool]int{false: 1, true: 3}[restarted]; heard[wire.Duplicate] != want {
			t.Errorf("restarted %v: heard %v, want %d duplicates", restarted, heard, want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if s := e.Stats(); s.Stored+s.Duplicates != 3 || s.InFlight() != 0 || int(s.Duplicates) != heard[wire.Duplicate] {
			t.Errorf("%+v", s)
		}
	}
}

var errNever = errors.New("never")

// TestAnswersToWhatIsGivenUpOn name the reason: of a handler, and of each state.
func TestAnswersToWhatIsGivenUpOn(t *testing.T) {
	e, _ := listening(t, func(c *engine.Config) {
		c.Handlers = []process.Handler{{Pattern: "bad/#", Handle: func(*process.Event) error { return errNever }}}
	})
	a := newAsker(t, e)
	bad := question(1, event.Medium, wire.LevelStored)
	bad.Topic = []byte("bad/one")
	a.want(bad, wire.DeadLettered, wire.ReasonProcessing, store.Group)

	id := uint64(10)
	for _, c := range []struct {
		state control.State
		p     event.Priority
		o     wire.Outcome
		r     wire.Reason
	}{
		{control.Elevated, event.Medium, wire.Stored, wire.ReasonNone},
		{control.Degraded, event.Medium, wire.Rejected, wire.ReasonPaused},
		{control.Degraded, event.Low, wire.Stored, wire.ReasonNone},
		{control.Critical, event.Medium, wire.Rejected, wire.ReasonPaused},
		{control.Critical, event.Low, wire.DeadLettered, wire.ReasonBackpressure},
		{control.Critical, event.High, wire.Stored, wire.ReasonNone},
		{control.Emergency, event.High, wire.DeadLettered, wire.ReasonEmergency},
		{control.Emergency, event.Critical, wire.Stored, wire.ReasonNone},
	} {
		e.Plane.Override(c.state, time.Now().Add(patience))
		time.Sleep(3 * control.Every) // until the order is out
		id++
		a.want(question(id, c.p, wire.LevelStored), c.o, c.r, store.Group)
	}
	e.Plane.Resume()
}

// TestFoldedEventsAreAnswered: they are in their window's result, and not stored.
func TestFoldedEventsAreAnswered(t *testing.T) {
	e, stop := listening(t, func(c *engine.Config) { c.Windows.Span, c.Windows.Fold = time.Second, true })
	a := newAsker(t, e)
	a.want(question(1, event.Batch, wire.LevelDurable), wire.Folded, wire.ReasonNone, store.Group)
	a.want(question(2, event.High, wire.LevelDurable), wire.Durable, wire.ReasonNone, store.Group)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Folded != 1 || s.InFlight() != 0 {
		t.Errorf("%+v", s)
	}
}

// TestReplicatedWaitsForTheWatermark that somebody advances.
func TestReplicatedWaitsForTheWatermark(t *testing.T) {
	mark := new(process.Watermark)
	e, _ := listening(t, func(c *engine.Config) { c.Replicated = mark })
	a := newAsker(t, e)
	a.ask(question(1, event.High, wire.LevelReplicated))
	a.want(question(2, event.High, wire.LevelDurable), wire.Durable, wire.ReasonNone, store.Group) // overtakes it
	mark.Advance(e.Stats().Durable)
	if got := a.hear(1)[0]; got.Outcome != wire.Replicated || got.ID != senderID(1) {
		t.Errorf("heard %+v", got)
	}
}

// TestAFailedLogRefuses: what waits for its sync, what is in the lanes, and what
// still comes in. The log fails because its folder is gone when it needs a new
// segment.
func TestAFailedLogRefuses(t *testing.T) {
	cfg := smallConfig(t)
	cfg.TCP.Address, cfg.Publishers, cfg.Log.Mode = "127.0.0.1:0", 0, store.Group
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(t.Context()) }()
	a := newAsker(t, e)
	if err := os.RemoveAll(cfg.Log.Dir); err != nil {
		t.Fatal(err)
	}
	const sent = 4000
	go func() {
		f := question(1, event.High, wire.LevelDurable)
		f.Payload = make([]byte, 1000)
		for i := range sent {
			f.ID = senderID(i + 1)
			a.Write(f.Append(nil))
		}
	}()
	counts := map[string]int{}
	for {
		b := make([]byte, wire.AnswerSize)
		if _, err := io.ReadFull(a, b); err != nil {
			break
		}
		answer, _ := wire.DecodeAnswer(b)
		counts[fmt.Sprint(answer.Outcome, " ", answer.Reason)]++
	}
	if err := <-ended; err == nil {
		t.Error("Run returns no error")
	}
	s := e.Stats()
	refused := counts["rejected storage_failed"] + counts["dead_lettered storage_failed"]
	if counts["durable none"] == 0 || refused == 0 || uint64(counts["durable none"]) > s.Durable {
		t.Errorf("heard %v with %d durable", counts, s.Durable)
	}
	if len(counts) > 3 || s.InFlight() != 0 || uint64(counts["dead_lettered storage_failed"]) != s.Dropped[wire.ReasonStorage] {
		t.Errorf("heard %v: %+v", counts, s)
	}
}

// TestEveryQuestionHasOneAnswer: of all priorities and fates, asked over several
// connections, beside frames that do not ask; what was heard is what the engine
// counts.
func TestEveryQuestionHasOneAnswer(t *testing.T) {
	const askers, each = 4, 5000
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			e, stop := listening(t, func(c *engine.Config) {
				c.Plan, c.Lanes = plan, bus.Depths{64, 64, 64}
				c.Handlers = []process.Handler{{Pattern: "ask/#", Handle: func(e *process.Event) error {
					if e.ID&(1<<40-1)%50 == 12 && e.Priority == event.Medium {
						return errNever
					}
					return nil
				}}}
			})
			heard := make(chan map[wire.Outcome]uint64, askers)
			for who := range askers {
				a := newAsker(t, e)
				go a.flood(who, each)
				go func() { heard <- a.tally(who, each) }()
			}
			total := map[wire.Outcome]uint64{}
			for range askers {
				for o, n := range <-heard {
					total[o] += n
				}
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			s, silent := e.Stats(), uint64(askers*each/2)
			if total[wire.Stored]+total[wire.Durable]+silent != s.Stored || total[wire.Duplicate] != s.Duplicates ||
				total[wire.DeadLettered] != s.Captured+s.Uncaptured || s.InFlight() != 0 || s.Received != 3*silent || total[wire.Rejected] != 0 {
				t.Errorf("heard %v: %+v", total, s)
			}
			if total[wire.Duplicate] == 0 || total[wire.DeadLettered] == 0 {
				t.Errorf("the load was too tame: %v", total)
			}
		})
	}
}

// flood asks about each of its events, some of which have the id of the one
// before, and sends every second time one that does not ask.
func (a *asker) flood(who, each int) {
	var b []byte
	for i := range each {
		id := uint64(who*each + i)
		if i%20 == 3 {
			id--
		}
		f := question(id, event.Priority(i%event.Priorities), wire.Level(i%2))
		if i%20 == 3 || i%20 == 2 {
			f.Priority = event.Medium
		}
		b = f.Append(b)
		if i%2 == 0 {
			quiet := wire.Frame{Version: wire.V1, Topic: []byte("quiet"), Priority: event.High}
			b = quiet.Append(b)
		}
	}
	a.Write(b)
}

// tally hears the answers to a flood: each id once, or twice where it was sent
// twice.
func (a *asker) tally(who, each int) map[wire.Outcome]uint64 {
	counts, ids := map[wire.Outcome]uint64{}, map[uint64]int{}
	b := make([]byte, wire.AnswerSize)
	for range each {
		if _, err := io.ReadFull(a, b); err != nil {
			a.t.Errorf("asker %d: %d ids answered: %v", who, len(ids), err)
			return counts
		}
		answer, _ := wire.DecodeAnswer(b)
		counts[answer.Outcome]++
		ids[answer.ID]++
	}
	for i := range each {
		want := 1
		switch i % 20 {
		case 2:
			want = 2
		case 3:
			want = 0
		}
		if n := ids[senderID(who*each+i)]; n != want {
			a.t.Errorf("asker %d: event %d was answered %d times, want %d", who, i, n, want)
			return counts
		}
	}
	return counts
}

// TestAnswersGoOutBeforeTheEnd: an engine that is told to stop still answers
// what waits for the next sync.
func TestAnswersGoOutBeforeTheEnd(t *testing.T) {
	e, stop := listening(t, func(c *engine.Config) { c.Log.Mode, c.Log.Interval = store.Interval, 300*time.Millisecond })
	a := newAsker(t, e)
	for id := range uint64(100) {
		a.ask(question(id+1, event.Critical, wire.LevelDurable))
	}
	for deadline := time.Now().Add(patience); e.Stats().Received < 100 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	go stop()
	for _, answer := range a.hear(100) {
		if answer.Outcome != wire.Durable || answer.Mode != wire.ModeInterval {
			t.Fatalf("heard %+v", answer)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestWhoDoesNotReadHoldsUpNobody: a client that asks and never reads is cut off,
// and another hears all its answers meanwhile. (With its own buffer full, its
// kernel may throw acknowledgements away as well: then it is cut off for the frame
// that it cannot finish.)
func TestWhoDoesNotReadHoldsUpNobody(t *testing.T) {
	e, stop := listening(t, func(c *engine.Config) {
		l := &c.TCP.Limits
		l.Unread, l.Unreading, l.Completion = 64<<10, 200*time.Millisecond, 2*time.Second
	})
	deaf, fair := newAsker(t, e), newAsker(t, e)
	go func() {
		for id := uint64(1); ; id++ { // until it is cut off
			f := question(1e6+id, event.High, wire.LevelStored)
			if _, err := deaf.Write(f.Append(nil)); err != nil {
				return
			}
		}
	}()
	for id := uint64(1); e.Clients().Unreading+e.Clients().Late == 0; id++ {
		fair.want(question(id, event.Critical, wire.LevelDurable), wire.Durable, wire.ReasonNone, store.Group)
		if id > 1e6 {
			t.Fatal("the client that does not read was never cut off")
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := e.Stats(); s.InFlight() != 0 {
		t.Errorf("%+v", s)
	}
}
