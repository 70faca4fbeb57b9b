package duty

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
)

// tally is a worker that nobody may step beside another: its count is no atomic,
// which the race detector looks at, and inside catches those that meet.
type tally struct {
	steps  int
	inside atomic.Int32
	met    atomic.Bool
}

func (w *tally) Step(cpu.Ticks) int {
	if w.inside.Add(1) != 1 {
		w.met.Store(true)
	}
	w.steps++
	w.inside.Add(-1)
	return 0
}

func newCrew(seats int, bells ...*Bell) (*Crew, []*tally) {
	var workers []Worker
	tallies := make([]*tally, seats)
	for i := range tallies {
		tallies[i] = new(tally)
		workers = append(workers, tallies[i])
	}
	return NewCrew(workers, bells...), tallies
}

func awake(n int) (bells []*Bell) {
	for range n {
		bells = append(bells, new(Bell))
	}
	return bells
}

// steps gives each member a turn and says what each worker was stepped.
func steps(c *Crew, tallies []*tally, members ...int) (by []int) {
	before := make([]int, len(tallies))
	for i, w := range tallies {
		before[i] = w.steps
	}
	for _, m := range members {
		c.Member(m).Step(0)
	}
	for i, w := range tallies {
		by = append(by, w.steps-before[i])
	}
	return by
}

// TestACrewSharesOut and takes back, a seat at a time.
func TestACrewSharesOut(t *testing.T) {
	c, tallies := newCrew(4, awake(3)...)
	want := func(what string, got []int, want ...int) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: workers were stepped %v times, want %v", what, got, want)
				return
			}
		}
	}
	want("home has all", steps(c, tallies, 0, 1, 2), 1, 1, 1, 1)
	c.Work(3)
	want("helpers wait for home to leave", steps(c, tallies, 1, 2), 0, 0, 0, 0)
	want("home leaves two", steps(c, tallies, 0), 1, 0, 0, 1)
	want("the helpers take them", steps(c, tallies, 0, 1, 2), 1, 1, 1, 1)
	if work := c.Member(1).Step(0); work == 0 {
		t.Error("a helper that holds a seat is idle")
	}
	c.Work(1)
	want("home waits for the helpers", steps(c, tallies, 0), 1, 0, 0, 1)
	want("they leave", steps(c, tallies, 1, 2), 0, 0, 0, 0)
	if c.Member(1).Step(0) != 0 {
		t.Error("a helper without a seat is not idle")
	}
	want("home has all again", steps(c, tallies, 0), 1, 1, 1, 1)
	c.Work(3)
	c.Work(1)
	want("an order taken back at once", steps(c, tallies, 1, 2, 0), 1, 1, 1, 1)
}

// TestACrewNeverStepsAWorkerTwiceAtOnce: real threads, which park, and orders in
// quick succession; in the end every worker goes on.
func TestACrewNeverStepsAWorkerTwiceAtOnce(t *testing.T) {
	const members = 3
	bells := awake(members)
	c, tallies := newCrew(7, bells...)
	for i := range members {
		defer start(t, Plan{Name: "member", CPU: Unpinned, Idle: Park, Clock: cpu.NewClock(1e9)}, bells[i], c.Member(i)).Stop()
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		c.Work(1 + random.IntN(members))
		time.Sleep(time.Duration(random.IntN(300)) * time.Microsecond)
	}
	for _, n := range []int{members, 1} {
		c.Work(n)
		eventually(t, "the seats are those of the members at work", func() bool {
			for i := range c.seats {
				if int(c.seats[i].holder.Load()) != i%n {
					return false
				}
			}
			return true
		})
	}
	for i, w := range tallies {
		if w.met.Load() {
			t.Errorf("two stepped worker %d at once", i)
		}
	}
}
