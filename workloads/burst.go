package workloads

import (
	"fmt"
	"time"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/reports/record"
)

// burst is a feed and a stopwatch: on the engine's own thread it publishes as
// many events as it is told, as fast as the engine takes them, and notes when
// the first came in and the last was stored. Told to publish none, it times
// events that come in another way.
type burst struct {
	publisher *ingest.Publisher
	batch     []ingest.Event
	engine    *engine.Engine // set before the engine runs
	orders    chan order
	results   chan cpu.Ticks // from the first received to the last stored

	left  int
	began cpu.Ticks
	goal  uint64 // stored events at which the burst is over; 0: nothing to do
	start uint64 // received events at its beginning
}

type order struct{ publish, expect int }

func newBurst(event ingest.Event) *burst {
	b := &burst{orders: make(chan order, 1), results: make(chan cpu.Ticks, 1), batch: make([]ingest.Event, burstBatch)}
	for i := range b.batch {
		b.batch[i] = event
	}
	return b
}

// burstBatch is how many events one step publishes: an intake's batch.
const burstBatch = 64

// feed is the burst as an engine's feed.
func (b *burst) feed(p *ingest.Publisher) duty.Worker {
	b.publisher = p
	return b
}

// Step publishes a batch, or looks whether all is stored.
func (b *burst) Step(now cpu.Ticks) int {
	if b.goal == 0 {
		return b.begin(now)
	}
	if b.left > 0 {
		n, err := b.publisher.PublishBatch(b.batch[:min(len(b.batch), b.left)])
		if err != nil && err != ingest.ErrBusy {
			panic(fmt.Sprintf("workloads: %v", err)) // the workload's own event is sound
		}
		b.left -= n
		return n
	}
	s := b.engine.Stats()
	if b.began == 0 && s.Received > b.start {
		b.began = now
	}
	if s.Stored < b.goal {
		b.publisher.Flush()
		return 0
	}
	b.results <- cpu.End() - b.began
	b.goal = 0
	return 0
}

func (b *burst) begin(now cpu.Ticks) int {
	select {
	case o := <-b.orders:
		s := b.engine.Stats()
		b.left, b.start, b.goal, b.began = o.publish, s.Received, s.Stored+uint64(o.expect), 0
		if o.publish > 0 {
			b.began = now
		}
	default:
	}
	return 0
}

// run has the rig store n events and says how it went. drive, if not nil, sends
// them from elsewhere.
func (b *burst) run(bench *Bench, r *rig, n int, drive func() error) (out Outcome, err error) {
	before, calm := r.engine.Stats(), r.relieve()
	if drive == nil {
		b.orders <- order{publish: n, expect: n}
	} else {
		b.orders <- order{expect: n}
		if err := drive(); err != nil {
			return out, err
		}
	}
	select {
	case took := <-b.results:
		ns := float64(bench.Clock.Ns(took)) / float64(n)
		out.Trial = record.Trial{N: int64(n), Values: []record.Value{value("ns/op", ns), value("events/s", 1e9/ns)}, State: r.state(calm)}
	case err := <-r.ended:
		return out, fmt.Errorf("engine ended during a trial: %w", err)
	case <-time.After(trialLimit):
		s := r.engine.Stats()
		return out, fmt.Errorf("%d of %d events stored after %v, %d in flight", s.Stored-before.Stored, n, trialLimit, s.InFlight())
	}
	s := r.engine.Stats()
	if got := s.Received - before.Received; got != uint64(n) || s.InFlight() != 0 {
		out.Invalid = fmt.Sprintf("sent %d events, received %d, %d in flight at the end", n, got, s.InFlight())
	}
	return out, nil
}
