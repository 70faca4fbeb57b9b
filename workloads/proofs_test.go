package workloads

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/queue"
	"eventstreamcore/probes"
	"eventstreamcore/probes/topology"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// prove runs a timed check, best of three, on a host that can be trusted to tell
// the time. A host that cannot skips it, and says why.
func prove(t *testing.T, attempt func(b *Bench) error) {
	t.Helper()
	if os.Getenv("ESC_PROOFS") != "1" {
		t.Skip("a timed check: set ESC_PROOFS=1")
	}
	b := small(t)
	if len(b.Allowed) < 2 {
		t.Skip("needs two CPUs")
	}
	machine, err := topology.Read(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	for try := range 3 {
		fitness := probes.Doctor(b.Clock, os.DirFS("/"), machine, b.Allowed, "", 100*time.Millisecond)
		if string(fitness.Verdict) == record.Unfit {
			bad := slices.DeleteFunc(fitness.Reasons(), func(r string) bool { return !strings.HasPrefix(r, record.Bad) })
			failed = errors.Join(failed, fmt.Errorf("try %d: the host is UNFIT: %s", try+1, strings.Join(bad, ", ")))
			continue
		}
		err := attempt(b)
		if err == nil {
			return
		}
		t.Logf("try %d: %v", try+1, err)
		failed = errors.Join(failed, err)
	}
	if strings.Contains(failed.Error(), "UNFIT") {
		t.Skip(failed)
	}
	t.Error(failed)
}

// links is a chain of eight steps, each of which needs the one before: a delay
// that no CPU can hide, and without a branch that it could mistake.
func links(x uint64) uint64 {
	x = x*3 ^ 1
	x = x*3 ^ 1
	x = x*3 ^ 1
	x = x*3 ^ 1
	x = x*3 ^ 1
	x = x*3 ^ 1
	x = x*3 ^ 1
	return x*3 ^ 1
}

// work is 64 steps, and planted the delay: 32 more, some 20 ns.
func work(x uint64) uint64 {
	return links(links(links(links(links(links(links(links(x))))))))
}

func planted(x uint64) uint64 { return links(links(links(links(x)))) }

// chained pushes and pops a handle that is computed from the last one: the queue
// stands on the way of the computation, so that neither hides the other.
func chained(q *queue.SPSC, delayed bool) loop {
	x := uint64(1)
	return func(n int) (succeeded int) {
		for range n {
			if !q.Push(event.Ref(x)) {
				continue
			}
			if r, ok := q.Pop(); ok {
				x = work(uint64(r))
				succeeded++
			}
			if delayed {
				x = planted(x)
			}
		}
		return succeeded
	}
}

// alone is such a computation without the queue.
func alone(delayed bool) loop {
	x := uint64(1)
	return func(n int) int {
		for range n {
			x = work(x)
			if delayed {
				x = planted(x)
			}
		}
		return n
	}
}

// TestProofADelayInAQueueIsMeasured plants 20 ns, more or less by how fast the CPU
// is, in a queue's round, and wants the queue measured as much slower, +- 2 ns.
// How long the delay is by itself is measured by turns with the queue.
func TestProofADelayInAQueueIsMeasured(t *testing.T) {
	prove(t, func(b *Bench) error {
		b.Time = 15 * time.Millisecond
		const tolerance = 2.0
		ns, err := b.interleaved(20, alone(false), alone(true), chained(newSPSC(), false), chained(newSPSC(), true))
		if err != nil {
			return err
		}
		delay, slower := ns[1]-ns[0], ns[3]-ns[2]
		t.Logf("a queue's round of %.2f ns took %.2f with %.2f ns planted", ns[2], ns[3], delay)
		if math.Abs(slower-delay) > tolerance {
			return fmt.Errorf("%.2f ns were planted, the queue is measured %.2f ns slower", delay, slower)
		}
		return nil
	})
}

// interleaved is the least ns an operation of each loop, measured by turns: what
// the host takes from a round only adds to it.
func (b *Bench) interleaved(rounds int, loops ...loop) ([]float64, error) {
	least, trials := make([]float64, len(loops)), make([]Trial, len(loops))
	for i, l := range loops {
		least[i], trials[i] = math.Inf(1), amortised(b, 1, l, nil)
	}
	for range rounds {
		for i, trial := range trials {
			out, err := trial.Run()
			if err != nil || out.Invalid != "" {
				return nil, errors.Join(err, errors.New(out.Invalid))
			}
			least[i] = min(least[i], out.Values[0].Value)
		}
	}
	return least, nil
}

// TestProofAStallIsCounted stalls the engine itself, by a handler that holds its
// lane once, and wants the percentiles that the stall makes. What the host does
// besides is measured just before, without a stall: twice the worst of that, and
// what the engine needs to work off what has gathered, is the noise.
func TestProofAStallIsCounted(t *testing.T) {
	const rate, n, stall = 20_000, 20_000, 150 * time.Millisecond
	prove(t, func(b *Bench) error {
		var holdAt int
		hold := func(*process.Event) error {
			if holdAt--; holdAt == 0 {
				time.Sleep(stall) // the engine's thread does nothing else meanwhile
			}
			return nil
		}
		p, err := b.newPacedRig(engine.Fused(b.Hot, duty.Spin), standardEvent(event.High, pipelinePayload), forLatency, n, process.Handler{Pattern: "bench/#", Handle: hold})
		if err != nil {
			return err
		}
		defer p.close()
		calm, err := p.latencies(b, rate, n)
		if err != nil {
			return err
		}
		holdAt = 2000
		whole, err := p.latencies(b, rate, n)
		if err != nil {
			return err
		}
		noise := float64(2*calm.Max()) + stall.Seconds()*rate*1000
		t.Logf("without a stall: P99.9 %v, worst %v; with one of %v: P99 %v", time.Duration(calm.ValueAtPercentile(99.9)), time.Duration(calm.Max()), stall, time.Duration(whole.ValueAtPercentile(99)))
		if noise > float64(stall)/5 {
			return fmt.Errorf("the host is UNFIT for this: its own stalls of up to %v hide one of %v", time.Duration(calm.Max()), stall)
		}
		return drive.FollowsStall(whole, rate, stall, noise)
	})
}

// latencies is the whole latency of n events at constant times.
func (p *pacedRig) latencies(b *Bench, rate float64, n int) (*hdrhistogram.Histogram, error) {
	run, err := p.run(b, drive.Schedule{Rate: rate}, n)
	if err != nil || run.wrong != "" {
		return nil, errors.Join(err, errors.New(run.wrong))
	}
	return p.course.spans(nil, nil)[0].Histogram, nil
}
