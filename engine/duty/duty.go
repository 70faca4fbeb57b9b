// Package duty runs the engine's stages: each is a Worker with one verb, Step,
// and a Thread calls the steps of its workers in turn, on a CPU of its own.
//
// It takes the position that a stage never waits. What to do when there is
// nothing to do is the thread's business, and a thread that sleeps is woken by
// whoever has work for it, at the price of one load while it is awake. Threads
// do not know what their workers do, and never share one.
package duty

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/metrics"
)

// Worker is a stage. Step does what there is to do now, in a bounded time,
// never blocks, and returns the work done: 0 is idle. The time it is given is
// that at the beginning of the thread's round, for what is due by the clock; a
// stage that stamps events reads the counter when it does. (A read costs 10 to
// 20 ns: one for each stage in turn would be most of an idle round, and so of
// what an event waits to be noticed.)
type Worker interface {
	Step(now cpu.Ticks) int
}

// Timed is a worker of which something is due by the clock, and nobody rings for
// it. Due is when, on the counter, asked after an idle Step; 0: nothing is.
type Timed interface {
	Due(now cpu.Ticks) cpu.Ticks
}

// Idle is what a thread does when all its workers had nothing to do.
type Idle uint8

// The idle strategies.
const (
	Park Idle = iota // spin for 50 us, then sleep until woken: an idle engine costs no CPU
	Spin             // poll on: the lowest latency, and a whole CPU
)

func (i Idle) String() string {
	if i == Spin {
		return "spin"
	}
	return "park"
}

// ParseIdle is the inverse of String.
func ParseIdle(name string) (Idle, error) {
	switch name {
	case "park":
		return Park, nil
	case "spin":
		return Spin, nil
	}
	return 0, fmt.Errorf("idle strategy %q: use park or spin", name)
}

const (
	// spinFor is how long a parking thread polls first. A wake-up costs about as
	// much on a virtual machine (45-50 us measured), so it never more than
	// doubles what a short lull costs.
	spinFor = 50 * time.Microsecond

	// sleepAtMost bounds a sleep: a stage that waits for a bell that nobody rang
	// would wait no longer. Each sleep that ends costs some 100 us of CPU, most
	// of it the runtime's, which looks after threads for a while that come back.
	sleepAtMost = 200 * time.Millisecond
)

// Unpinned is the CPU of a thread that may run anywhere.
const Unpinned = -1

// Plan says how a thread is to be run.
type Plan struct {
	Name  string
	CPU   int // to pin to, or Unpinned
	Idle  Idle
	Clock cpu.Clock
	Gaps  *metrics.Gaps // filled with the time that the loop lost; nil for none
}

// Thread calls its workers' steps in a loop, until it is stopped.
type Thread struct {
	plan    Plan
	workers []Worker
	bell    *Bell
	stop    atomic.Bool
	done    sync.WaitGroup
	spin    cpu.Ticks

	ID      int   // the kernel's thread id
	Allowed []int // CPUs that the kernel lets it run on: read back, not only asked for
}

// Start runs the workers on a new thread, in the order given, and returns when
// it is pinned. The bell wakes it.
func Start(p Plan, bell *Bell, workers ...Worker) (*Thread, error) {
	if len(workers) == 0 {
		return nil, fmt.Errorf("thread %s has no stage", p.Name)
	}
	t := &Thread{plan: p, workers: workers, bell: bell, spin: p.Clock.Ticks(spinFor.Nanoseconds())}
	bell.sleeper = newParker()
	for _, w := range workers {
		if s, ok := w.(Sleeper); ok {
			bell.sleeper = s
		}
	}
	started := make(chan error)
	t.done.Add(1)
	go t.run(started)
	if err := <-started; err != nil {
		t.done.Wait()
		return nil, err
	}
	return t, nil
}

// Stop ends the thread after its present round and waits for it.
func (t *Thread) Stop() {
	t.stop.Store(true)
	t.bell.sleeper.Wake()
	t.done.Wait()
}

func (t *Thread) run(started chan<- error) {
	defer t.done.Done()
	err := t.place()
	started <- err
	if err != nil {
		return
	}
	lastWork, worked := cpu.Now(), false
	for !t.stop.Load() {
		now := cpu.Now()
		if t.plan.Gaps != nil {
			t.plan.Gaps.Round(now, worked)
		}
		if worked = t.round(now) > 0; worked {
			lastWork = now
		} else if t.plan.Idle == Park && now-lastWork > t.spin {
			t.sleep()
		}
	}
}

// round steps every worker once.
func (t *Thread) round(now cpu.Ticks) (work int) {
	for _, w := range t.workers {
		work += w.Step(now)
	}
	return work
}

// sleep parks the thread unless work came in while it said so. Whoever
// publishes work loads parked after its publishing store; both are sequentially
// consistent, so one of the two sees the other.
func (t *Thread) sleep() {
	t.bell.parked.Store(true)
	if now := cpu.Now(); t.round(now) == 0 && !t.stop.Load() {
		if nap := t.nap(now); nap > 0 {
			t.bell.sleeper.Sleep(nap)
		}
	}
	t.bell.parked.Store(false)
	if t.plan.Gaps != nil {
		t.plan.Gaps.Skip()
	}
}

// nap is how long nothing is due.
func (t *Thread) nap(now cpu.Ticks) time.Duration {
	nap := sleepAtMost
	for _, w := range t.workers {
		if at := due(w, now); at != 0 {
			nap = min(nap, time.Duration(t.plan.Clock.Ns(max(at, now)-now)))
		}
	}
	return nap
}

// due is when the worker has something to do by the clock; 0: never.
func due(w Worker, now cpu.Ticks) cpu.Ticks {
	if timed, ok := w.(Timed); ok {
		return timed.Due(now)
	}
	return 0
}

func (t *Thread) place() (err error) {
	t.ID = cpu.ThreadID()
	if t.plan.CPU == Unpinned {
		if t.Allowed, err = cpu.Allowed(); errors.Is(err, cpu.ErrUnsupported) {
			err = nil // nothing was asked for
		}
		return err
	}
	if err := cpu.Pin(t.plan.CPU); err != nil {
		return fmt.Errorf("thread %s on CPU %d: %w", t.plan.Name, t.plan.CPU, err)
	}
	t.ID = cpu.ThreadID()
	t.Allowed, err = cpu.Allowed()
	return err
}

// Gaps is what the plan has filled with the time that the loop lost; nil is none.
func (t *Thread) Gaps() *metrics.Gaps { return t.plan.Gaps }

// Name is the thread's, for messages.
func (t *Thread) Name() string { return t.plan.Name }

// CPU is where the thread was to be pinned; Unpinned if nowhere.
func (t *Thread) CPU() int { return t.plan.CPU }
