package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/reports/record"
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
	return append(cells, sweep())
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
	p, err := b.newPacedRig(priority, n)
	if err != nil {
		return Trial{}, err
	}
	whole := []string(nil)
	if lane == event.LaneRealtime {
		whole = []string{"e2e", "e2e-claim"}
	}
	return Trial{Close: p.close, Run: func() (out Outcome, err error) {
		run, wrong, err := p.run(b, latencyRate, n)
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(n), Invalid: wrong}
		if wrong == "" && !run.kept() {
			out.Invalid = fmt.Sprintf("the engine took %v for a schedule of %v", run.took.Round(time.Millisecond), run.wanted.Round(time.Millisecond))
		}
		if wrong == "" {
			out.Spans, out.Noise = p.course.spans([]string{lanePromise[lane]}, whole), p.course.late()
		}
		return out, nil
	}}, nil
}

// pacedLeast is the fewest events of an open-loop trial: a P99.9 needs 3,688.
const pacedLeast = 4096
