package queue

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eventstreamcore/engine/event"
)

// TestRingsAcrossGoroutines: every value arrives exactly once, and in its
// producer's order, with batches and single pushes mixed, from short of the
// wrap-around on, in rings so small that both ends are met all the time.
func TestRingsAcrossGoroutines(t *testing.T) {
	each := 30_000
	if testing.Short() {
		each = 10_000
	}
	soak(t, func() { relays(t, each) })
}

func relays(t *testing.T, each int) {
	for _, slots := range []int{1, 4, 64, 4096} {
		each := each
		if slots < 64 {
			each /= 5 // every few of them wait for the other side
		}
		t.Run(fmt.Sprintf("spsc/slots=%d", slots), func(t *testing.T) {
			relay(t, NewSPSC(make([]event.Ref, slots), max(1, slots*3/4)), 1, each)
		})
		for _, producers := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("mpsc/slots=%d/producers=%d", slots, producers), func(t *testing.T) {
				relay(t, NewMPSC(make([]event.Ref, slots)), producers, each/producers)
			})
		}
	}
}

// A relayed event says who pushed it, and as his how manieth.
const producerAt = 40

func relay(t *testing.T, q ring, producers, each int) {
	t.Helper()
	q.startAt(nearWrap)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() { produce(q, uint64(p), each) })
	}
	seen := make([]int, producers)
	rng := rand.New(rand.NewPCG(2, 3))
	buffer := make([]event.Ref, 150)
	var idle patience
	for left := producers * each; left > 0; {
		got := consume(q, buffer, rng)
		if !idle.wait(len(got) > 0) {
			t.Fatalf("nothing came for long, with %d still to come", left)
		}
		for _, r := range got {
			p, i := r>>producerAt, int(r&(1<<producerAt-1))
			if int(p) >= producers || i != seen[p] {
				t.Fatalf("got %#x: number %d of producer %d, want number %v", uint64(r), i, p, seen)
			}
			seen[p]++
		}
		left -= len(got)
	}
	wg.Wait()
	if r, ok := q.Pop(); ok {
		t.Fatalf("one more than was pushed: %#x", uint64(r))
	}
	if n := q.Len(); n != 0 {
		t.Fatalf("empty, but Len is %d", n)
	}
}

func produce(q ring, producer uint64, each int) {
	rng := rand.New(rand.NewPCG(4, producer))
	batch := make([]event.Ref, 0, 150)
	var idle patience
	for i, n := 0, 1; i < each && idle.wait(n > 0); i += n {
		batch = batch[:min(each-i, 1+rng.IntN(cap(batch)))]
		for j := range batch {
			batch[j] = event.Ref(producer)<<producerAt | event.Ref(i+j)
		}
		n = push(q, batch, rng)
	}
}

// push adds some of batch by one of the ways there are.
func push(q ring, batch []event.Ref, rng *rand.Rand) int {
	one := q.Push
	if s, ok := q.(*SPSC); ok && rng.IntN(8) == 0 {
		one = s.PushOver
	}
	switch {
	case rng.IntN(2) == 0:
		return q.PushBatch(batch)
	case one(batch[0]):
		return 1
	}
	return 0
}

func consume(q ring, buffer []event.Ref, rng *rand.Rand) []event.Ref {
	if rng.IntN(2) == 0 {
		return buffer[:q.PopBatch(buffer[:1+rng.IntN(len(buffer))])]
	}
	n := 0
	for n < 20 {
		r, ok := q.Pop()
		if !ok {
			break
		}
		buffer[n] = r
		n++
	}
	return buffer[:n]
}

// TestMPSCFullIsFull: a push refuses only because the ring was full at some
// moment, never because others were at it. Four producers have at most two
// events each in a ring of eight, so none may ever be refused.
func TestMPSCFullIsFull(t *testing.T) {
	const producers, inFlight, each = 4, 2, 10_000
	crowd(t)
	q := NewMPSC(make([]event.Ref, producers*inFlight))
	q.startAt(nearWrap)
	var taken [producers]atomic.Int64
	var refused atomic.Int64
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			var idle patience
			for i := int64(0); i < each; {
				room := i-taken[p].Load() < inFlight
				if !idle.wait(room) {
					return
				}
				if room && !q.Push(event.Ref(p)) {
					refused.Add(1)
				} else if room {
					i++
				}
			}
		})
	}
	var dst [1]event.Ref
	var idle patience
	for left := producers * each; left > 0; {
		n := q.PopBatch(dst[:])
		if !idle.wait(n > 0) {
			t.Fatalf("nothing came for long, with %d still to come", left)
		}
		for _, r := range dst[:n] {
			taken[r].Add(1)
		}
		left -= n
	}
	wg.Wait()
	if n := refused.Load(); n != 0 {
		t.Errorf("%d pushes refused with room left", n)
	}
}

// crowd gives the test more threads than there are CPUs, so that some are
// preempted between any two instructions.
func crowd(t *testing.T) {
	before := runtime.GOMAXPROCS(8)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// patience bounds a test's vain polls: it lets others run, then sleeps, and after
// ten seconds of sleep has run out.
type patience int

func (p *patience) wait(progress bool) bool {
	if progress {
		*p = 0
		return true
	}
	if *p++; *p < 20_000 {
		runtime.Gosched()
	} else {
		time.Sleep(time.Millisecond)
	}
	return *p < 30_000
}

// soak runs a test once, or again and again for as long as ESC_SOAK says.
func soak(t *testing.T, run func()) {
	t.Helper()
	text := os.Getenv("ESC_SOAK")
	if text == "" {
		run()
		return
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("ESC_SOAK: %v: give a duration, such as 1m", err)
	}
	for start := time.Now(); time.Since(start) < long && !t.Failed(); {
		run()
	}
}
