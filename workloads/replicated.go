package workloads

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
	"eventstreamcore/reports/record"
	"eventstreamcore/workloads/drive"
)

// replicated drives a cluster of three processes on loopback: events a second
// with so many open, and the time until the answer at a rate, each at both
// levels of the answer; and how long none is answered after the leader of the
// stream was killed. Under what is replicated stands the same cluster's bare
// JetStream, in turns with the trials; under what is durable, a bare write and sync.
// Every answered event is looked up in the replicas.
func replicated(b *Bench) (cells []Cell) {
	for _, level := range []wire.Level{wire.LevelDurable, wire.LevelReplicated} {
		for _, open := range b.Set.numbers("open", openUsual, openMany) {
			cells = append(cells, Cell{
				Params: params("level", level.String(), "load", "closed", "open", amount(open)), Threads: 1, Rare: 4, FloorUnit: "ns/op",
				Open: func(b *Bench) (Trial, error) { return askedClosed(b, level, open) },
			})
		}
		for _, rate := range b.Set.numbers("rate", replicatedRate) {
			cells = append(cells, Cell{
				Params: params("level", level.String(), "load", "open", "rate", amount(rate)), Threads: 1, Rare: 4, FloorUnit: "p50-ns",
				Open: func(b *Bench) (Trial, error) { return askedOpen(b, level, float64(rate)) },
			})
		}
	}
	return append(cells, Cell{Params: params("level", "replicated", "load", "failover"), Threads: 1, Rare: 10, Open: failover})
}

const (
	openUsual      = 2048   // events open in a closed loop: under the 2,500 at which pressure would tell
	openMany       = 32768  // and so many that groups are full
	replicatedRate = 2000   // events a second, of an open loop
	replicatedMost = 400000 // events of a trial
	replicatedFor  = 8      // times a trial's length that each lasts
	bareGroup      = 384    // records of a bare message: what fits into a group
	bareFlights    = 16     // bare messages under way, as many as groups of a partition
	failoverOpen   = 64     // events open while the leader dies
	failoverFlow   = 500    // events answered before, and after
)

// askSpec is a load of transactions of the usual size, by a producer of its own.
func (b *Bench) askSpec(level wire.Level, n int) drive.Spec {
	s := drive.Default("")
	s.Topic, s.Size, s.Priority, s.Count, s.Producer = "bench/replicated", pipelinePayload, event.Medium, uint64(n), 1+b.Random.Uint32N(1<<24-1)
	s.Ask = drive.Ask{Wanted: true, Level: level}
	return s
}

// recordBytes is what a replica's record of such an event takes.
func recordBytes(s drive.Spec) int { return event.RecordSize + len(s.Topic) + s.Size }

// replication is a cluster under test.
type replication struct {
	*Bench
	*trio
	level wire.Level
	sync  *bareLoop // nil unless it is the floor
}

func newReplication(b *Bench, level wire.Level) (r *replication, err error) {
	r = &replication{Bench: b, level: level}
	if level == wire.LevelDurable {
		if r.sync, err = newBareLoop(b.Disk, recordBytes(b.askSpec(level, 1))); err != nil {
			return nil, err
		}
	}
	if r.trio, err = newTrio(b); err != nil && r.sync != nil {
		err = errors.Join(err, r.sync.close())
	}
	return r, err
}

func (r *replication) close() error {
	err := r.trio.close()
	if r.sync != nil {
		err = errors.Join(err, r.sync.close())
	}
	return err
}

// length is how long a trial lasts.
func (r *replication) length() time.Duration { return replicatedFor * r.Time }

// floor is the time of one message of so many records on the same cluster's bare
// JetStream, over the records; or where durability is asked for, of one bare write.
func (r *replication) floor(records, flights int) (*record.Floor, error) {
	if r.sync != nil {
		if records > 1 {
			return nil, nil // a group's size is not known beforehand
		}
		return r.sync.run(r.Clock, r.length().Nanoseconds()/4)
	}
	ctx, cancel := call()
	defer cancel()
	message := make([]byte, records*recordBytes(r.askSpec(r.level, 1)))
	rand.Read(message) // nothing makes it smaller on its way
	bare, err := r.client.Bare(ctx, message, flights, r.length()/2)
	if err != nil {
		return nil, err
	}
	each := float64(bare.Took[len(bare.Took)/2].Nanoseconds())
	if flights > 1 {
		each = 1e9 / bare.Rate / float64(records)
	}
	how := fmt.Sprintf("messages of %d records to a stream of three replicas of the same cluster, %d under way", records, flights)
	return &record.Floor{Name: "bare_jetstream", Ns: each, Low: each, High: each, N: len(bare.Took), How: how}, nil
}

// askedClosed keeps so many events open, through one node.
func askedClosed(b *Bench, level wire.Level, open int) (Trial, error) {
	r, err := newReplication(b, level)
	if err != nil {
		return Trial{}, err
	}
	n := 2 * open
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		if out.Floor, err = r.floor(bareGroup, bareFlights); err != nil {
			return out, err
		}
		a := newAsker(b.askSpec(level, n), r.frames()[:1], open)
		ctx, cancel := call()
		defer cancel()
		a.run(ctx)
		rate := a.rate()
		out.Trial = record.Trial{N: int64(a.done), Values: []record.Value{value("events/s", rate), value("ns/op", 1e9/rate)}}
		if out.Invalid = a.unanswered(); out.Invalid == "" {
			out.Invalid, err = r.audit(a.spec.Producer, a.answered)
		}
		n = min(max(int(rate*r.length().Seconds()), 2*open), replicatedMost)
		return out, err
	}}, nil
}

// unanswered is what went without its answer, "" if nothing did.
func (a *asker) unanswered() string {
	if a.done < len(a.answered) || len(a.refused) > 0 {
		return fmt.Sprintf("%d of %d events answered as asked, refused: %v", a.done, len(a.answered), a.refused)
	}
	return ""
}

// askedOpen sends at a rate through one node, and times from when each was due.
func askedOpen(b *Bench, level wire.Level, rate float64) (Trial, error) {
	r, err := newReplication(b, level)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		if out.Floor, err = r.floor(1, 1); err != nil {
			return out, err
		}
		spec := b.askSpec(level, max(int(rate*r.length().Seconds()), 1))
		spec.Address, spec.Schedule = r.frames()[0], drive.Schedule{Rate: rate}
		ctx, cancel := call()
		defer cancel()
		report, err := drive.Load(ctx, spec)
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(report.Sent), Invalid: faultOf(report)}
		if out.Invalid == "" {
			out.Invalid, err = r.audit(spec.Producer, all(int(report.Sent)))
		}
		if out.Invalid == "" && err == nil {
			out.Spans = []Span{{Name: "intended-answered", Histogram: AsHDR(report.Answers.Latency.Of)}}
			out.Noise = []record.Value{value("debt-p50-ns", float64(report.Debt.P50)), value("clock-residual-ns", float64(report.ResidualNs))}
		}
		return out, err
	}}, nil
}

// faultOf is why the latencies of a load do not count, "" if they do.
func faultOf(r drive.Report) string {
	switch a := r.Answers; {
	case r.Partial:
		return "it was broken off"
	case !r.KeptUp:
		return fmt.Sprintf("the sender ended %v behind its schedule", time.Duration(r.LagNs).Round(time.Millisecond))
	case a.Missing > 0 || len(a.Reasons) > 0:
		return fmt.Sprintf("%d of %d events were not answered, refused: %v", a.Missing, r.Sent, a.Reasons)
	}
	return ""
}

// all is n events that were answered.
func all(n int) []bool {
	answered := make([]bool, n)
	for i := range answered {
		answered[i] = true
	}
	return answered
}

// failover kills the node that leads the stream, while a client keeps at it, and
// starts it again: the longest time without an answer, and how long it takes
// until the node has everything.
func failover(b *Bench) (Trial, error) {
	r, err := newReplication(b, wire.LevelReplicated)
	if err != nil {
		return Trial{}, err
	}
	return Trial{Close: r.close, Run: func() (out Outcome, err error) {
		a := newAsker(b.askSpec(r.level, replicatedMost), r.frames(), failoverOpen)
		var asking sync.WaitGroup
		ctx, cancel := context.WithTimeout(context.Background(), 4*trioPatience)
		defer cancel()
		asking.Go(func() { a.run(ctx) })
		outage, recovery, err := r.fail(a)
		a.end()
		asking.Wait()
		if err != nil {
			return out, err
		}
		out.Trial = record.Trial{N: int64(a.done), Values: []record.Value{value("outage-ns", float64(outage)), value("recovery-ns", float64(recovery))}}
		out.Invalid, err = r.audit(a.spec.Producer, a.answered)
		return out, err
	}}, nil
}

// fail kills and revives, while a asks.
func (r *replication) fail(a *asker) (outage, recovery time.Duration, err error) {
	flows := func() error {
		had := a.heard()
		return r.until("events are answered", func() bool { return a.heard() >= had+failoverFlow })
	}
	if err := flows(); err != nil {
		return 0, 0, err
	}
	i, err := r.busiest()
	if err != nil {
		return 0, 0, err
	}
	a.restart()
	if err := r.kill(i); err != nil {
		return 0, 0, err
	}
	if err := flows(); err != nil {
		return 0, 0, err
	}
	outage = a.restart()
	began := time.Now()
	if err := r.revive(i); err != nil {
		return 0, 0, err
	}
	a.end() // what follows is compared while nothing comes in
	err = r.until("the node has everything", r.settled)
	return outage, time.Since(began), err
}

// AsHDR is a snapshot as an HdrHistogram: each bucket at its upper bound, as
// Quantile has it.
func AsHDR(s *metrics.Snapshot) *hdrhistogram.Histogram {
	_, most := metrics.Bounds(metrics.Buckets - 1)
	hist := hdrhistogram.New(1, most, latencyDigits)
	for i, n := range s.Counts {
		if n == 0 {
			continue
		}
		_, high := metrics.Bounds(i)
		if err := hist.RecordValues(max(min(high, s.Max), 1), int64(n)); err != nil {
			panic(fmt.Sprintf("workloads: %v", err)) // cannot be: it is within the range
		}
	}
	return hist
}
