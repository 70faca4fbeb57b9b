package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// pipelinePayload is the body of an event of the pipeline, in bytes.
const pipelinePayload = 64

// latencyRate is the usual rate of the open-loop cells, in events a second: a
// tenth of what the slowest machine sustains, so that what is timed is the path
// and not a queue.
const latencyRate = 100_000

// pipeline runs the whole engine, fed from the same process: as fast as it goes
// on one thread and on two; in open loop from another CPU, lane by lane and, on
// the urgent one, at times of other shapes; and at one rate after the other.
func pipeline(b *Bench) (cells []Cell) {
	for _, payload := range b.Set.numbers("payload", pipelinePayload) {
		for _, c := range []Cell{
			{
				Params: params("plan", "fused", "load", "closed"), Threads: 1, Targets: []string{"pipeline-rate"},
				FloorUnit: "ns/op", Floor: memcpyFloor(event.RecordSize + 8 + payload),
				Open: func(b *Bench) (Trial, error) {
					return bursting(b, engine.Fused(b.Hot, duty.Spin), payload)
				},
			},
			{
				Params: params("plan", "split", "load", "closed"), Threads: 2, Needs: 2, Across: true,
				FloorUnit: "ns/op", Floor: transferFloor,
				Open: func(b *Bench) (Trial, error) {
					return bursting(b, engine.Split(b.Peer, b.Hot, duty.Spin), payload)
				},
			},
		} {
			cells = append(cells, c.with("payload", amount(payload), amount(pipelinePayload)))
		}
		for _, rate := range b.Set.numbers("rate", latencyRate) {
			cells = append(cells, b.paced(rate, payload)...)
		}
	}
	return append(cells,
		published("fused", 2, func(b *Bench) engine.Plan { return engine.Fused(b.Hot, duty.Spin) }),
		published("split", 3, func(b *Bench) engine.Plan { return engine.Split(b.crew(3)[2], b.Hot, duty.Spin) }))
}

// paced is every lane at constant times, and the REALTIME one at those of every
// shape.
func (b *Bench) paced(rate, payload int) (cells []Cell) {
	for lane, priority := range lanePriority {
		for _, s := range b.schedules(rate) {
			if s.Shape != drive.Constant && event.Lane(lane) != event.LaneRealtime {
				continue
			}
			c := Cell{
				Params:  params("plan", "fused", "load", "open", "rate", amount(rate), "lane", event.Lane(lane).String()),
				Threads: 2, Needs: 2, Floor: transferFloor,
				Open: func(b *Bench) (Trial, error) { return pacing(b, event.Lane(lane), s, standardEvent(priority, payload)) },
			}
			cells = append(cells, c.with("shape", s.Shape.String(), drive.Constant.String()).with("payload", amount(payload), amount(pipelinePayload)))
		}
	}
	return cells
}

// burstOf is how many events share a time in the shape burst.
const burstOf = 32

// schedules is one of each shape at the rate; a replay only where there is a trace.
func (b *Bench) schedules(rate int) []drive.Schedule {
	list := []drive.Schedule{
		{Shape: drive.Constant, Rate: float64(rate)},
		{Shape: drive.Poisson, Rate: float64(rate), Seed: b.Seed},
		{Shape: drive.Burst, Rate: float64(rate), Burst: burstOf},
	}
	if b.Trace != nil {
		list = append(list, drive.Schedule{Shape: drive.Replay, Rate: float64(rate), Trace: b.Trace})
	}
	return list
}

// lanePromise is the target that holds for each lane's received-processed.
var lanePromise = [event.Lanes]string{"realtime", "transactional", "batch"}

func standardEvent(priority event.Priority, payload int) ingest.Event {
	return ingest.Event{Topic: "bench/rt", Payload: make([]byte, payload), Priority: priority}
}

// bursting stores bursts as fast as the plan's threads manage.
func bursting(b *Bench, plan engine.Plan, payload int) (Trial, error) {
	feed := newBurst(standardEvent(event.High, payload))
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
func pacing(b *Bench, lane event.Lane, schedule drive.Schedule, e ingest.Event) (Trial, error) {
	n := b.events(schedule.Rate)
	p, err := b.newPacedRig(engine.Fused(b.Hot, duty.Spin), e, forLatency, n)
	if err != nil {
		return Trial{}, err
	}
	whole := []string(nil)
	if lane == event.LaneRealtime && schedule.Shape == drive.Constant {
		whole = []string{"e2e", "e2e-claim"}
	}
	paced := func() (wrong string, err error) {
		run, err := p.run(b, schedule, n)
		if err == nil && run.wrong == "" && !run.kept() {
			run.wrong = fmt.Sprintf("the engine took %v for a schedule of %v", run.took.Round(time.Millisecond), run.wanted.Round(time.Millisecond))
		}
		return run.wrong, err
	}
	return Trial{Close: p.close, Stamps: func() (Stamped, error) { return stamped(p.trace, p.course, paced) }, Run: func() (out Outcome, err error) {
		wrong, err := paced()
		out.Trial = record.Trial{N: int64(n), Invalid: wrong}
		if err == nil && wrong == "" {
			out.Spans, out.Noise = p.course.spans([]string{lanePromise[lane]}, whole), p.course.late()
		}
		return out, err
	}}, nil
}

// events is how many a trial at the rate has: a P99.9 needs 3,688, and what is
// known of each takes memory.
func (b *Bench) events(rate float64) int {
	return min(max(int(rate*b.Time.Seconds()), pacedLeast), pacedMost)
}

const (
	pacedLeast = 4096
	pacedMost  = 1 << 20
)
