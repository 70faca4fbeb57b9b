package workloads

import (
	"errors"
	"os"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/store"
)

// appendPayload makes an event of 128 bytes with its topic.
const appendPayload = 120

// appendCells gather events in the log's buffer, checksum included, and write
// them: into the page cache of a tmpfs a thousand at a time, and to the disk one
// by one, each synced, beside a bare write and sync.
func appendCells(*Bench) []Cell {
	return []Cell{
		{
			Params: params("mode", "os", "bytes", "128"), Threads: 1, FloorUnit: "ns/op", Floor: memcpyFloor(event.RecordSize + 128),
			Open: func(b *Bench) (Trial, error) { return appending(b, b.Scratch, store.OS, appendGroup) },
		},
		{
			Params: params("mode", "group", "bytes", "128"), Threads: 1, FloorUnit: "ns/op", Floor: syncFloor(event.RecordSize + 128),
			Open: func(b *Bench) (Trial, error) { return appending(b, b.Disk, store.Group, 1) },
		},
	}
}

// appendGroup is how many events share one write on tmpfs: what the engine's own
// committer gathers.
const appendGroup = 1024

// appending times Seal, Append and, once a group, Offer and Commit.
func appending(b *Bench, parent string, mode store.Mode, group int) (Trial, error) {
	dir, err := os.MkdirTemp(parent, "append-")
	if err != nil {
		return Trial{}, err
	}
	cfg := store.Default(dir)
	cfg.Mode, cfg.RetainBytes = mode, retained
	log, _, err := store.Open(cfg)
	if err != nil {
		return Trial{}, errors.Join(err, os.RemoveAll(dir))
	}
	p, free, err := b.newPool()
	if err != nil {
		return Trial{}, errors.Join(err, log.Close(), os.RemoveAll(dir))
	}
	t := amortised(b, group, appendGroups(log, sample(p), group), nil)
	t.Close = func() error { return errors.Join(log.Close(), free(), os.RemoveAll(dir)) }
	return t, nil
}

// sample is an event of 128 bytes in a slot of the pool.
func sample(p *memory.Pool) *event.Header {
	_, h := p.Acquire(event.SizeOf(8, appendPayload))
	h.ID, h.Type, h.Priority = 1, event.TypeEvent, event.High
	h.Fill([]byte("bench/rt"), make([]byte, appendPayload))
	return h
}

//go:noinline
func appendGroups(log *store.Log, h *event.Header, group int) loop {
	return func(n int) (succeeded int) {
		for range n {
			for range group {
				h.ID++
				h.Seal()
				if _, ok := log.Append(h); !ok {
					return succeeded
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
