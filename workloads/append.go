package workloads

import (
	"errors"
	"fmt"
	"os"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// appendPayload makes an event of 128 bytes with its topic.
const appendPayload = 120

// appendCells gather events in the log's buffer, checksums included, and write
// them: into the page cache of a tmpfs a thousand at a time, and to the disk one
// by one, each synced, beside a bare write and sync.
func appendCells(b *Bench) (cells []Cell) {
	for _, payload := range b.Set.numbers("payload", appendPayload) {
		bytes := payload + len(sampleTopic)
		for _, c := range []Cell{
			{
				Params: params("mode", "os", "bytes", fmt.Sprint(bytes)), Threads: 1, FloorUnit: "ns/op", Floor: memcpyFloor(event.RecordSize + bytes),
				Open: func(b *Bench) (Trial, error) { return appending(b, b.Scratch, store.OS, appendGroup, payload) },
			},
			{
				Params: params("mode", "group", "bytes", fmt.Sprint(bytes)), Threads: 1, FloorUnit: "ns/op", Floor: syncFloor(event.RecordSize + bytes),
				Open: func(b *Bench) (Trial, error) { return appending(b, b.Disk, store.Group, 1, payload) },
			},
		} {
			cells = append(cells, c.with("payload", amount(payload), amount(payload)))
		}
	}
	return cells
}

// appendGroup is how many events share one write on tmpfs: what the engine's own
// committer gathers.
const appendGroup = 1024

// fewSegments are retained, so that after the first trials they are recycled, as
// they are in a log that has run for a while: no page is new to the kernel, and
// no spare has to be filled.
const fewSegments = 128 << 20

// appending times sealing, Append and, once a group, Offer and Commit.
func appending(b *Bench, parent string, mode store.Mode, group, payload int) (Trial, error) {
	dir, err := os.MkdirTemp(parent, "append-")
	if err != nil {
		return Trial{}, err
	}
	cfg := store.Default(dir)
	cfg.Mode, cfg.RetainBytes = mode, fewSegments
	log, _, err := store.Open(cfg)
	if err != nil {
		return Trial{}, errors.Join(err, os.RemoveAll(dir))
	}
	p, err := b.newStock()
	if err != nil {
		return Trial{}, errors.Join(err, log.Close(), os.RemoveAll(dir))
	}
	t := amortised(b, group, appendGroups(log, newBatch(p, payload), group), nil)
	t.Close = func() error { return errors.Join(log.Close(), p.close(), os.RemoveAll(dir)) }
	return t, nil
}

//go:noinline
func appendGroups(log *store.Log, events batch, group int) loop {
	return func(n int) (succeeded int) {
		for range n {
			for appended := 0; appended < group; {
				for _, h := range events.seal(group - appended) {
					if _, ok := log.Append(h); !ok {
						return succeeded
					}
					appended++
				}
			}
			log.Offer()
			if written, err := log.Commit(); err != nil || written != group {
				return succeeded
			}
			succeeded++
		}
		return succeeded
	}
}

// batch is as many events as ingest reads and seals at once, in slots of a
// pool. They are appended again and again, with ids that count up.
type batch []*event.Header

const (
	batchEvents = 64
	sampleTopic = "bench/rt"
)

func newBatch(p *stock, payload int) (b batch) {
	for i := range batchEvents {
		_, h := p.Acquire(event.SizeOf(len(sampleTopic), payload))
		h.ID, h.Type, h.Priority = uint64(i), event.TypeEvent, event.High
		h.Fill([]byte(sampleTopic), make([]byte, payload))
		b = append(b, h)
	}
	return b
}

// seal makes at most n of them new events.
func (b batch) seal(n int) batch {
	b = b[:min(n, len(b))]
	for _, h := range b {
		h.ID += batchEvents
	}
	event.Seal(b)
	return b
}
