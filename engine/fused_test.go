package engine

import (
	"log/slog"
	"testing"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/store"
)

// BenchmarkFused is the whole path of an event of 64 bytes on one thread, in
// batches of 64, stepped by hand: no thread, no sleeping, no other core.
func BenchmarkFused(b *testing.B) {
	cfg := Default(b.TempDir())
	cfg.Log.Mode, cfg.Log.RetainBytes = store.OS, 256<<20
	cfg.Logger = slog.New(slog.DiscardHandler)
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	p, err := e.Publisher()
	if err != nil {
		b.Fatal(err)
	}
	var workers []duty.Worker
	for _, t := range e.cfg.Plan.Threads {
		for _, s := range t.Stages {
			workers = append(workers, e.workers[s]...)
		}
	}
	batch := make([]ingest.Event, 64)
	for i := range batch {
		batch[i] = ingest.Event{Topic: "bench/rt", Payload: make([]byte, 64), Priority: event.High}
	}
	for b.Loop() {
		if n, err := p.PublishBatch(batch); n != len(batch) {
			b.Fatal(n, err)
		}
		now := cpu.Now()
		for _, w := range workers {
			w.Step(now)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch)), "ns/event")
}
