package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// pipelinePayload is the body of an event of the pipeline, in bytes.
const pipelinePayload = 64

// latencyRate is the rate of the open-loop cells, in events a second: a tenth of
// what the slowest machine sustains, so that what is timed is the path and not a
// queue.
const latencyRate = 100_000

// pipeline runs the whole engine, fed from the same process: as fast as it goes
// on one thread and on two, and at a fixed rate from another CPU, lane by lane.
func pipeline(*Bench) []Cell {
	cells := []Cell{
		{
			Params: params("plan", "fused", "load", "closed"), Threads: 1, Targets: []string{"pipeline-rate"},
			FloorUnit: "ns/op", Floor: memcpyFloor(event.RecordSize + 8 + pipelinePayload),
			Open: func(b *Bench) (Trial, error) {
				return bursting(b, engine.Fused(b.Hot, duty.Spin))
			},
		},
		{
			Params: params("plan", "split", "load", "closed"), Threads: 2, Needs: 2,
			FloorUnit: "ns/op", Floor: transferFloor,
			Open: func(b *Bench) (Trial, error) {
				return bursting(b, engine.Split(b.Peer, b.Hot, duty.Spin))
			},
		},
	}
	for lane, priority := range [event.Lanes]event.Priority{event.High, event.Medium, event.Batch} {
		cells = append(cells, paced(event.Lane(lane), priority))
	}
	return cells
}

// lanePromise is the target that holds for each lane's received-processed.
var lanePromise = [event.Lanes]string{"realtime", "transactional", "batch"}

// paced sends events of one priority from the peer CPU at a fixed rate.
func paced(lane event.Lane, priority event.Priority) Cell {
	return Cell{
		Params:  params("plan", "fused", "load", fmt.Sprintf("open-%dk", latencyRate/1000), "lane", lane.String()),
		Threads: 2, Needs: 2, Floor: transferFloor,
		Open: func(b *Bench) (Trial, error) { return pacing(b, lane, priority) },
	}
}

func standardEvent(priority event.Priority) ingest.Event {
	return ingest.Event{Topic: "bench/rt", Payload: make([]byte, pipelinePayload), Priority: priority}
}

// bursting stores bursts as fast as the plan's threads manage.
func bursting(b *Bench, plan engine.Plan) (Trial, error) {
	feed := newBurst(standardEvent(event.High))
	r, err := b.newRig(func(c *engine.Config) {
		c.Plan, c.Feeds = plan, []engine.Feed{feed.feed}
	}, feed)
	if err != nil {
		return Trial{}, err
	}
	n := 0
	return Trial{Close: r.close, Run: func() (Outcome, error) {
		if n == 0 {
			const probe = 1 << 16
			out, err := feed.run(b, r, probe, nil)
			if err != nil || out.Invalid != "" {
				return out, err
			}
			n = min(max(int(float64(b.Time)/out.Values[0].Value), probe), burstMost)
		}
		return feed.run(b, r, n, nil)
	}}, nil
}

// burstMost bounds one burst, and so what its log takes: 300 MB.
const burstMost = 2 << 20

// pacing drives the engine on the hot CPU in open loop from the peer.
func pacing(b *Bench, lane event.Lane, priority event.Priority) (Trial, error) {
	n := max(int(latencyRate*b.Time.Seconds()), pacedLeast)
	trace := metrics.NewTrace(n)
	r, err := b.newRig(func(c *engine.Config) {
		c.Plan, c.Publishers, c.Trace = engine.Fused(b.Hot, duty.Spin), 1, trace
	}, nil)
	if err != nil {
		return Trial{}, err
	}
	publisher, err := r.engine.Publisher()
	if err != nil {
		return Trial{}, err
	}
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		trace.Reset()
		before := r.engine.Stats()
		var sent pacedRun
		if err := pinned(b.Peer, func() { sent = b.pace(publisher, standardEvent(priority), n) }); err != nil {
			return out, err
		}
		if err := r.settled(before.Stored + uint64(n)); err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(n), Invalid: sent.judge()}
		if trace.Missed > 0 || len(trace.Samples()) != n {
			out.Invalid = fmt.Sprintf("%d of %d events were traced", len(trace.Samples()), n)
		}
		out.Placed = append(r.placed(), record.Placed{Role: "generator", CPU: b.Peer, Allowed: []int{b.Peer}})
		out.Spans = b.spans(trace.Samples(), lane)
		return out, nil
	}}, nil
}

// pacedLeast is the fewest events of an open-loop trial: a P99.9 needs 3,688.
const pacedLeast = 4096

// pacedRun is how the generator itself did.
type pacedRun struct {
	took   time.Duration
	wanted time.Duration
	err    error
}

// A generator that falls behind measures itself: a run counts only if the whole
// schedule took at most 5 % longer than it should.
const paceSlack = 1.05

func (p pacedRun) judge() string {
	if p.err != nil {
		return p.err.Error()
	}
	if float64(p.took) > float64(p.wanted)*paceSlack {
		return fmt.Sprintf("the generator took %v for a schedule of %v", p.took, p.wanted)
	}
	return ""
}

// pace publishes n events at latencyRate. A late event goes at once; its
// intended time stays what it was.
func (b *Bench) pace(p *ingest.Publisher, e ingest.Event, n int) (run pacedRun) {
	raw, err := cpu.NewTimeline(b.Clock, cpu.MonotonicRaw)
	if err != nil {
		return pacedRun{err: err}
	}
	pacer := drive.NewPacer(drive.Schedule{Shape: drive.Constant, Rate: latencyRate})
	one, limit := []ingest.Event{e}, b.Clock.Ticks(int64(trialLimit))
	start := cpu.Now()
	for range n {
		due := start + b.Clock.Ticks(pacer.Take())
		for cpu.Now() < due {
		}
		one[0].Intended = uint64(raw.At(due))
		for taken := 0; taken == 0; {
			if taken, err = p.PublishBatch(one); cpu.Now()-start > limit {
				return pacedRun{err: fmt.Errorf("the engine took nothing more: %w", err)}
			}
		}
	}
	return pacedRun{took: time.Duration(b.Clock.Ns(cpu.End() - start)), wanted: time.Duration(float64(n) / latencyRate * 1e9)}
}

// spans folds the samples of a trial into its distributions.
func (b *Bench) spans(samples []metrics.Sample, lane event.Lane) []Span {
	processed, stored := newHistogram(), newHistogram()
	for _, s := range samples {
		recordLatency(processed, b.Clock.Ns(s.Processed-s.Received))
		recordLatency(stored, b.Clock.Ns(s.Stored-s.Received))
	}
	spans := []Span{{Name: "received-processed", Targets: []string{lanePromise[lane]}, Histogram: processed}, {Name: "received-stored", Histogram: stored}}
	if lane == event.LaneRealtime {
		spans[1].Targets = []string{"e2e", "e2e-claim"}
	}
	return spans
}
