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
// floor is a bare loop of writes and syncs of as many bytes as such a group has,
// mean against mean, in turns with the trials.
func durable(b *Bench) (cells []Cell) {
	for _, producers := range b.Set.numbers("producers", 1, 64, 1024) {
		for _, payload := range b.Set.numbers("payload", appendPayload) {
			bytes := payload + len(sampleTopic)
			cells = append(cells, Cell{
				Params:  params("mode", "group", "load", "closed", "producers", amount(producers), "bytes", fmt.Sprint(bytes)),
				Threads: 2, Needs: 2, FloorUnit: groupUnit,
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

// durability is a durable log under test, and the bare loop beside it.
type durability struct {
	*Bench
	dir       string
	log       *store.Log
	stock     *stock
	events    batch
	bare      *bareLoop
	producers int
	n         int // events of a trial
}

func durably(b *Bench, producers, payload int) (t Trial, err error) {
	d := &durability{Bench: b, producers: producers, n: producers * 16}
	if d.dir, err = os.MkdirTemp(b.Disk, "log-"); err != nil {
		return t, err
	}
	cfg := store.Default(d.dir)
	cfg.RetainBytes = fewSegments
	d.log, _, err = store.Open(cfg)
	if err == nil {
		d.stock, err = b.newStock()
	}
	if err == nil {
		d.events = newBatch(d.stock, payload)
		d.bare, err = newBareLoop(b.Disk, producers*(event.RecordSize+len(sampleTopic)+payload))
	}
	if err != nil {
		return t, errors.Join(err, d.close())
	}
	return Trial{Run: d.run, Close: d.close}, nil
}

func (d *durability) close() (err error) {
	if d.log != nil {
		err = d.log.Close()
	}
	if d.stock != nil {
		err = errors.Join(err, d.stock.close())
	}
	if d.bare != nil {
		err = errors.Join(err, d.bare.close())
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

// run is a trial: the bare loop for a trial's time, then the log.
func (d *durability) run() (Outcome, error) {
	floor, err := d.bare.run(d.Clock, d.Time.Nanoseconds())
	if err != nil {
		return Outcome{}, err
	}
	out, took, err := d.closedLoop()
	if out.Floor = floor; err == nil && took > 0 {
		d.n = max(int(float64(d.n)*durableTrials*float64(d.Time.Nanoseconds())/float64(took)), d.producers*2)
	}
	return out, err
}

// closedLoop makes n events durable.
func (d *durability) closedLoop() (out Outcome, took int64, err error) {
	loop := newClosedLoop(d.log, d.Clock, d.events, d.producers)
	before := d.log.Counts()
	began := cpu.Now()
	err = loop.run(d.n)
	took = d.Clock.Ns(cpu.End() - began)
	after := d.log.Counts()
	groups := after.Groups - before.Groups
	if err != nil || groups == 0 {
		return out, took, err
	}
	latency := loop.latency.Snapshot()
	out.Trial = record.Trial{N: int64(d.n), Values: []record.Value{
		value("events/s", float64(d.n)/float64(took)*1e9),
		value(groupUnit, float64(took)/float64(groups)),
		value("p50-ns", float64(latency.Quantile(0.5))),
	}}
	if int64(latency.Count) >= judge.SamplesFor(99) {
		out.Values = append(out.Values, value("p99-ns", float64(latency.Quantile(0.99))))
	}
	out.Noise = []record.Value{value("syncs", float64(after.Syncs-before.Syncs)), value("groups", float64(groups))}
	if latency.Count != uint64(d.n) {
		out.Invalid = fmt.Sprintf("%d of %d events were seen to be durable", latency.Count, d.n)
	}
	return out, took, nil
}
