package workloads

import (
	"errors"
	"fmt"
	"os"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
	"eventstreamcore/reports/judge"
	"eventstreamcore/reports/record"
)

// durable drives the log alone, in closed loop: so many producers, each with one
// event outstanding, which appends its next when the last is on the disk. The
// floor is a bare write and sync of as many bytes as such a group has.
func durable(b *Bench) (cells []Cell) {
	for _, producers := range b.Set.numbers("producers", 1, 64, 1024) {
		for _, payload := range b.Set.numbers("payload", appendPayload) {
			bytes := payload + len(sampleTopic)
			cells = append(cells, Cell{
				Params:  params("mode", "group", "load", "closed", "producers", amount(producers), "bytes", fmt.Sprint(bytes)),
				Threads: 2, Needs: 2, FloorUnit: groupUnit, Floor: syncFloor(producers * (event.RecordSize + bytes)),
				Open: func(b *Bench) (Trial, error) { return durably(b, producers, payload) },
			}.with("payload", amount(payload), amount(payload)))
		}
	}
	return cells
}

// groupUnit is the time that one group takes from one sync to the next.
const groupUnit = "group-ns"

// durableTrials is how many times a trial's length each lasts: a disk is slower
// than memory, and its groups are what is counted.
const durableTrials = 4

func durably(b *Bench, producers, payload int) (Trial, error) {
	dir, err := os.MkdirTemp(b.Disk, "log-")
	if err != nil {
		return Trial{}, err
	}
	cfg := store.Default(dir)
	cfg.RetainBytes = retained
	log, _, err := store.Open(cfg)
	if err != nil {
		return Trial{}, errors.Join(err, os.RemoveAll(dir))
	}
	p, err := b.newStock()
	if err != nil {
		return Trial{}, errors.Join(err, log.Close(), os.RemoveAll(dir))
	}
	h, n := sample(p, payload), producers*16
	return Trial{
		Close: func() error { return errors.Join(log.Close(), p.close(), os.RemoveAll(dir)) },
		Run: func() (Outcome, error) {
			out, took, err := b.closedLoop(log, h, producers, n)
			if err == nil && took > 0 {
				n = max(int(float64(n)*durableTrials*b.Time.Seconds()*1e9/float64(took)), producers*2)
			}
			return out, err
		},
	}, nil
}

// closedLoop makes n events durable.
func (b *Bench) closedLoop(log *store.Log, h *event.Header, producers, n int) (out Outcome, took int64, err error) {
	loop := store.NewClosedLoop(log, b.Clock, h, producers)
	before := log.Counts()
	began := cpu.Now()
	err = loop.Run(n)
	took = b.Clock.Ns(cpu.End() - began)
	after := log.Counts()
	groups := after.Groups - before.Groups
	if err != nil || groups == 0 {
		return out, took, err
	}
	latency := loop.Latency.Snapshot()
	out.Trial = record.Trial{N: int64(n), Values: []record.Value{
		value("events/s", float64(n)/float64(took)*1e9),
		value(groupUnit, float64(took)/float64(groups)),
		value("p50-ns", float64(latency.Quantile(0.5))),
	}}
	if int64(latency.Count) >= judge.SamplesFor(99) {
		out.Values = append(out.Values, value("p99-ns", float64(latency.Quantile(0.99))))
	}
	out.Noise = []record.Value{value("syncs", float64(after.Syncs-before.Syncs)), value("groups", float64(groups))}
	if latency.Count != uint64(n) {
		out.Invalid = fmt.Sprintf("%d of %d events were seen to be durable", latency.Count, n)
	}
	return out, took, nil
}
