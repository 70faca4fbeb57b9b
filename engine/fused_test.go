package engine

import (
	"log/slog"
	"testing"
	"time"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/duty"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
	"eventstreamcore/engine/store"
)

// BenchmarkFused is the whole path of an event of 64 bytes on one thread, in
// batches of 64, stepped by hand: no thread, no sleeping, no other core.
func BenchmarkFused(b *testing.B) {
	fused(b, ingest.Event{Topic: "bench/rt", Priority: event.High}, nil)
}

// BenchmarkFusedTransactions is the same for transactions, each with an id of
// its sender's: looked for and remembered in 64 MiB.
func BenchmarkFusedTransactions(b *testing.B) {
	fused(b, ingest.Event{Topic: "bench/pay", Priority: event.Medium, ID: 1 << 40}, nil)
}

// BenchmarkFusedWindows is the same for batch events that are aggregated and stored.
func BenchmarkFusedWindows(b *testing.B) {
	fused(b, ingest.Event{Topic: "bench/batch", Priority: event.Low}, func(c *Config) { c.Windows.Span = 5 * time.Second })
}

// fused counts the ids of the event up, if it has one.
func fused(b *testing.B, each ingest.Event, change func(*Config)) {
	cfg := Default(b.TempDir())
	cfg.Log.Mode, cfg.Log.RetainBytes = store.OS, 256<<20
	cfg.Logger = slog.New(slog.DiscardHandler)
	if change != nil {
		change(&cfg)
	}
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
			workers = append(workers, e.staff.workers[s]...)
		}
	}
	batch := make([]ingest.Event, 64)
	for i := range batch {
		batch[i] = each
		batch[i].Payload = make([]byte, 64)
	}
	for b.Loop() {
		for i := range batch {
			if each.ID != 0 {
				each.ID++
				batch[i].ID = each.ID
			}
		}
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
