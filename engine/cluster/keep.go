package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// What a replica keeps, once it may let its oldest records go. A chain begins
// with record 1, so what is gone leaves its chain behind: a base, the bound behind
// the last record that is no longer kept. It is on the disk before a segment goes,
// and whoever starts later goes on from there.

const (
	baseName       = "base"
	milestoneEvery = 1 << 12 // records between bounds that are remembered
)

// retention is what replicas keep; zeros keep all.
type retention struct {
	bytes int64 // of one replica
	age   time.Duration
}

// segmentsLeast is how many segments what is kept is cut into, at least: a whole
// one goes at a time.
const segmentsLeast = 4

// replicaConfig is how a replica's log is opened.
func (r *replica) replicaConfig() store.Config {
	cfg := r.plain
	cfg.RetainBytes, cfg.RetainAge, cfg.First = r.keeps.bytes, r.keeps.age, r.base.index+1
	if r.keeps.bytes > 0 {
		cfg.SegmentBytes = min(cfg.SegmentBytes, max(r.keeps.bytes/segmentsLeast, store.SegmentBytesMin))
	}
	return cfg
}

// writeBase puts a base on the disk.
func writeBase(dir string, at bound) error {
	b, err := json.Marshal(place{Index: at.index, Chain: at.chain})
	if err == nil {
		err = writeSynced(filepath.Join(dir, baseName), le.AppendUint32(b, event.Checksum(0, b)))
	}
	if err != nil {
		return fmt.Errorf("what a replica rests on: %w", err)
	}
	return nil
}

// readBase is the base of a replica's log: the partition's beginning, if none was
// ever written.
func readBase(dir string) (at bound, err error) {
	b, err := os.ReadFile(filepath.Join(dir, baseName))
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	if err != nil {
		return at, err
	}
	var p place
	n := max(len(b)-4, 0)
	if len(b) < 4 || le.Uint32(b[n:]) != event.Checksum(0, b[:n]) || json.Unmarshal(b[:n], &p) != nil {
		return at, fmt.Errorf("%w: %s does not read", errDamaged, filepath.Join(dir, baseName))
	}
	return bound{p.Index, p.Chain}, nil
}

// hold takes a record in that the log has now, whose chain is known.
func (r *replica) hold(e *store.Entry, at bound) {
	r.has = at
	r.remember(e)
	if at.index%milestoneEvery == 0 {
		r.mu.Lock()
		r.milestones = append(r.milestones, at)
		r.mu.Unlock()
	}
}

// chainBehind is the chain behind a record of the log: what is written of it is
// read from the last milestone on.
func (r *replica) chainBehind(index uint64) (uint32, error) {
	r.mu.Lock()
	at := r.base
	if n, _ := slices.BinarySearchFunc(r.milestones, index+1, func(b bound, i uint64) int { return int(int64(b.index) - int64(i)) }); n > 0 {
		at = r.milestones[n-1]
	}
	r.mu.Unlock()
	if at.index >= index {
		return at.chain, nil
	}
	reader, err := store.NewReader(r.dir)
	if err == nil {
		defer reader.Close()
		err = reader.SeekSequence(at.index + 1)
	}
	if err != nil {
		return 0, err
	}
	for e := range reader.All() {
		if e.Sequence != at.index+1 {
			return 0, fmt.Errorf("record %d is missing", at.index+1)
		}
		if at = (bound{e.Sequence, link(at.chain, e.Content)}); at.index == index {
			return at.chain, nil
		}
	}
	return 0, fmt.Errorf("the log ends with record %d, not %d: %w", at.index, index, reader.Err())
}

// retire lets the segments go that may, once what they leave behind is written
// down. Nobody is served from them any longer, then.
func (r *replica) retire(log *store.Log) error {
	first := log.Expiring()
	if first <= r.kept() {
		return nil
	}
	if err := r.restOn(first - 1); err != nil {
		return err
	}
	log.Release(first)
	r.logger.Debug("oldest records let go of", "first", first)
	return nil
}

// restOn writes down what is behind a record, which is the last to go.
func (r *replica) restOn(last uint64) error {
	chain, err := r.chainBehind(last)
	if err != nil {
		return err
	}
	base := bound{last, chain}
	if err := writeBase(r.dir, base); err != nil {
		return err
	}
	r.mu.Lock()
	r.base = base
	r.milestones = slices.DeleteFunc(r.milestones, func(b bound) bool { return b.index <= base.index })
	r.closeReader()
	r.mu.Unlock()
	return nil
}

// kept is the first record that is kept, or will be.
func (r *replica) kept() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.base.index + 1
}
