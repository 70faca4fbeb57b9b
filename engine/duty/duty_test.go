package duty

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
)

// inbox is a worker whose work others hand it.
type inbox struct{ waiting, done atomic.Int64 }

func (b *inbox) Step(cpu.Ticks) int {
	n := b.waiting.Swap(0)
	b.done.Add(n)
	return int(n)
}

func start(t *testing.T, p Plan, bell *Bell, workers ...Worker) *Thread {
	t.Helper()
	p.Clock = cpu.NewClock(1e9)
	thread, err := Start(p, bell, workers...)
	if err != nil {
		t.Fatal(err)
	}
	return thread
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// TestNoWakeUpIsLost hands a parking thread work 600 times, mostly while it
// sleeps or is about to. A lost wake-up would cost a whole sleep each.
func TestNoWakeUpIsLost(t *testing.T) {
	const rounds = 600
	bell, work := new(Bell), new(inbox)
	thread := start(t, Plan{Name: "parking", CPU: Unpinned, Idle: Park}, bell, work)
	defer thread.Stop()
	lost := 0
	for i := range int64(rounds) {
		time.Sleep(time.Duration(i%4) * 30 * time.Microsecond)
		began := time.Now()
		work.waiting.Add(1)
		bell.Ring()
		eventually(t, "the work is done", func() bool { return work.done.Load() == i+1 })
		if time.Since(began) > sleepAtMost*9/10 {
			lost++
		}
	}
	if lost > rounds/20 { // the host may hold us up now and then
		t.Errorf("%d of %d wake-ups took as long as a whole sleep", lost, rounds)
	}
}

// TestAnIdleThreadSleeps: it steps a few times a second, not a few million.
func TestAnIdleThreadSleeps(t *testing.T) {
	var steps atomic.Int64
	bell := new(Bell)
	thread := start(t, Plan{Name: "idle", CPU: Unpinned, Idle: Park}, bell, stepFunc(func(cpu.Ticks) int { steps.Add(1); return 0 }))
	eventually(t, "it parks", bell.parked.Load)
	before := steps.Load()
	time.Sleep(4 * sleepAtMost)
	thread.Stop()
	if n := steps.Load() - before; n > 100_000 {
		t.Errorf("%d steps while idle: it did not sleep", n)
	}
}

// appointed has something due by the clock.
type appointed cpu.Ticks

func (appointed) Step(cpu.Ticks) int        { return 0 }
func (a appointed) Due(cpu.Ticks) cpu.Ticks { return cpu.Ticks(a) }

// TestNobodySleepsThroughWhatIsDue: a thread sleeps until the first of what its
// workers have due, those of a crew among them, and not at all past it.
func TestNobodySleepsThroughWhatIsDue(t *testing.T) {
	crew := NewCrew([]Worker{appointed(0), appointed(8_000_000), appointed(7_000_000)}, new(Bell))
	for _, c := range []struct {
		workers []Worker
		now     cpu.Ticks
		want    time.Duration
	}{
		{[]Worker{stepFunc(nil), appointed(0)}, 5, sleepAtMost},
		{[]Worker{appointed(1 << 40)}, 5, sleepAtMost},
		{[]Worker{appointed(9_000_000), appointed(3_000_000), appointed(0)}, 1_000_000, 2 * time.Millisecond},
		{[]Worker{stepFunc(nil), crew.Member(0)}, 1_000_000, 6 * time.Millisecond},
		{[]Worker{appointed(3_000_000)}, 4_000_000, 0},
	} {
		thread := Thread{plan: Plan{Clock: cpu.NewClock(1e9)}, workers: c.workers}
		if nap := thread.nap(c.now); nap != c.want {
			t.Errorf("%v at %d: a sleep of %v, want %v", c.workers, c.now, nap, c.want)
		}
	}
}

type stepFunc func(cpu.Ticks) int

func (f stepFunc) Step(now cpu.Ticks) int { return f(now) }

// TestARoundHasOneTime: the workers of a thread are stepped in order, with the
// same time, and the next round with a later one.
func TestARoundHasOneTime(t *testing.T) {
	var round, rounds, wrong atomic.Uint64
	thread := start(t, Plan{Name: "clock", CPU: Unpinned, Idle: Spin}, new(Bell),
		stepFunc(func(now cpu.Ticks) int {
			if uint64(now) <= round.Load() {
				wrong.Add(1)
			}
			round.Store(uint64(now))
			return 1
		}),
		stepFunc(func(now cpu.Ticks) int {
			if uint64(now) != round.Load() {
				wrong.Add(1)
			}
			rounds.Add(1)
			return 1
		}))
	eventually(t, "1,000 rounds", func() bool { return rounds.Load() > 1000 })
	thread.Stop()
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d steps were given a wrong time", n)
	}
}

// TestAThreadNotesItsGaps: a round that a worker without work holds up is noted
// with its length.
func TestAThreadNotesItsGaps(t *testing.T) {
	const held = 3_000_000 // ticks
	var hold atomic.Bool
	hold.Store(true)
	thread := start(t, Plan{Name: "held up", CPU: Unpinned, Idle: Spin, Gaps: metrics.NewGaps(cpu.NewClock(1e9), 1<<16)}, new(Bell), stepFunc(func(now cpu.Ticks) int {
		if hold.CompareAndSwap(true, false) {
			for cpu.Now() < now+held {
			}
		}
		return 0
	}))
	eventually(t, "a gap is noted", func() bool { return thread.Gaps().Noted() > 0 })
	thread.Stop()
	if noted, _ := thread.Gaps().Since(0); !slices.ContainsFunc(noted, func(g metrics.Gap) bool { return g.To-g.From >= held && !g.Worked }) {
		t.Errorf("%d gaps, and none of %d ticks or more", len(noted), held)
	}
}

// TestSleepIsNoGap: a thread that parks and is woken lost nothing meanwhile.
func TestSleepIsNoGap(t *testing.T) {
	gaps, bell := metrics.NewGaps(cpu.NewClock(1e9), 1<<12), new(Bell)
	var rounds atomic.Int64
	thread := start(t, Plan{Name: "parking", CPU: Unpinned, Idle: Park, Gaps: gaps}, bell, stepFunc(func(cpu.Ticks) int { rounds.Add(1); return 0 }))
	for range 5 {
		eventually(t, "it parks", bell.parked.Load)
		time.Sleep(sleepAtMost / 2)
		before := rounds.Load()
		eventually(t, "it goes on", func() bool { bell.Ring(); return rounds.Load() > before })
	}
	thread.Stop()
	noted, _ := gaps.Since(0)
	longest := cpu.Ticks(0)
	for _, g := range noted {
		longest = max(longest, g.To-g.From)
	}
	if clock, err := cpu.Calibrate(); err == nil && clock.Ns(longest) > sleepAtMost.Nanoseconds()/3 {
		t.Errorf("of %d gaps the longest took %d ns: a sleep was noted", len(noted), clock.Ns(longest))
	}
}

func TestPinnedThreadReadsItsMaskBack(t *testing.T) {
	allowed, err := cpu.Allowed()
	if err != nil {
		t.Skip(err)
	}
	want := allowed[len(allowed)-1]
	thread := start(t, Plan{Name: "pinned", CPU: want, Idle: Park}, new(Bell), new(inbox))
	defer thread.Stop()
	if len(thread.Allowed) != 1 || thread.Allowed[0] != want {
		t.Errorf("allowed CPUs %v, want [%d]", thread.Allowed, want)
	}
}

func TestStartRefuses(t *testing.T) {
	if _, err := cpu.Allowed(); err != nil {
		t.Skip(err)
	}
	if _, err := Start(Plan{Name: "absent", CPU: 16000, Idle: Park}, new(Bell), new(inbox)); err == nil {
		t.Error("a CPU that is not there was accepted")
	}
	if _, err := Start(Plan{Name: "empty"}, new(Bell)); err == nil {
		t.Error("a thread without a stage was accepted")
	}
}
