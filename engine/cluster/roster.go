package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Assignment says who owns a partition.
type Assignment struct {
	Owner string `json:"owner"`
	Epoch uint64 `json:"epoch"` // counts its owners
}

// Table is the cluster's one piece of shared state: who is a member and who
// owns what. It is changed only by a put that names the revision it rests on.
type Table struct {
	Nodes      []string     `json:"nodes"`
	Removed    []string     `json:"removed,omitempty"`
	Partitions []Assignment `json:"partitions"`
}

const (
	tableKey    = "table"
	leasePrefix = "lease."
	farewell    = "left" // the last word of a node that leaves as it should
)

// roster keeps this node's lease, watches the others', and moves partitions
// away from whoever has been silent for too long. Silence is measured by this
// node's clock from when a change was last seen, and only while this node could
// be heard itself: no clocks are compared, and who was cut off, or paused, does
// not take itself for the last one alive. Who is heard by nobody (hearing) is silent
// as well, whatever a bucket says that had no leader meanwhile.
type roster struct {
	name   string
	lease  time.Duration
	kv     jetstream.KeyValue
	logger *slog.Logger
	peers  []string
	parts  int
	moved  func(partition int, a Assignment) // told of every assignment, first and changed

	expelled func() // told when the operator has removed this node
	gone     func(name string, now time.Time) bool

	beat  uint64
	heard map[string]beat // of the others
	last  time.Time       // when this node's own lease was renewed last

	mu       sync.Mutex
	table    Table
	revision uint64
}

// beat is what a lease said, and since when.
type beat struct {
	word  string
	since time.Time
}

// run renews and watches until ctx is done, then says good-bye.
func (r *roster) run(ctx context.Context) {
	tick := time.NewTicker(r.lease / 3)
	defer tick.Stop()
	for {
		err := r.step(ctx)
		if errors.Is(err, ErrRemoved) {
			r.logger.Error("cluster", "err", err)
			r.expelled()
			return
		}
		if err != nil && ctx.Err() == nil {
			r.logger.Debug("lease not renewed", "err", err)
			r.forgive()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.leave()
			return
		}
	}
}

// ErrRemoved says that the operator has removed this node.
var ErrRemoved = errors.New("this node was removed from the cluster: start it with an empty folder and another name")

func (r *roster) step(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.lease/2)
	defer cancel()
	r.beat++
	if time.Since(r.last) > r.lease { // this node was the silent one
		r.forgive()
	}
	word := strconv.AppendUint(nil, r.beat, 10)
	if _, err := insist(ctx, func(ctx context.Context) (uint64, error) { return r.kv.Put(ctx, leasePrefix+r.name, word) }); err != nil {
		return err
	}
	r.last = time.Now()
	table, revision, err := readTable(ctx, r.kv)
	if err != nil {
		return err
	}
	if slices.Contains(table.Removed, r.name) {
		return ErrRemoved
	}
	dead, err := r.silent(ctx, &table)
	if err != nil {
		return err
	}
	if r.amend(&table, dead) {
		if revision, err = writeTable(ctx, r.kv, &table, revision); err != nil {
			return err // another node was faster: its table is read next time
		}
	}
	r.adopt(table, revision)
	return nil
}

// forgive lets nobody pass for silent before it had time to be heard: two beats,
// from when this node could be heard itself.
func (r *roster) forgive() {
	for name, b := range r.heard {
		if least := time.Now().Add(-r.lease / 3); b.since.Before(least) {
			r.heard[name] = beat{b.word, least}
		}
	}
}

// silent lists the members that have been silent for a lease.
func (r *roster) silent(ctx context.Context, t *Table) (dead []string, err error) {
	for _, name := range t.Nodes {
		if name == r.name {
			continue
		}
		word := ""
		switch e, err := entry(ctx, r.kv, leasePrefix+name); {
		case err == nil:
			word = string(e.Value())
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return nil, err
		}
		if b, ok := r.heard[name]; !ok || b.word != word {
			r.heard[name] = beat{word, time.Now()}
		}
		if time.Since(r.heard[name].since) > r.lease || word == farewell || r.gone(name, time.Now()) {
			dead = append(dead, name)
		}
	}
	return dead, nil
}

// amend makes the table say what it should, and reports whether it did not.
func (r *roster) amend(t *Table, dead []string) (changed bool) {
	if len(t.Partitions) == 0 { // the first table: all that are to come are expected
		t.Partitions, t.Nodes = make([]Assignment, r.parts), slices.Clone(r.peers)
	}
	if !slices.Contains(t.Nodes, r.name) {
		t.Nodes, changed = append(t.Nodes, r.name), true
		slices.Sort(t.Nodes)
	}
	live := slices.DeleteFunc(slices.Clone(t.Nodes), func(n string) bool { return slices.Contains(dead, n) })
	for p, a := range t.Partitions {
		if a.Owner == "" || !slices.Contains(live, a.Owner) {
			t.Partitions[p], changed = Assignment{heir(live, p), a.Epoch + 1}, true
			r.logger.Info("partition moves", "partition", p, "from", a.Owner, "to", t.Partitions[p].Owner)
		}
	}
	return changed
}

// heir is who gets a partition: the highest of a hash with each name, so that
// the partitions of a dead node are spread over the others.
func heir(live []string, partition int) string {
	return slices.MaxFunc(live, func(a, b string) int { return slices.Compare(weight(a, partition), weight(b, partition)) })
}

func weight(name string, partition int) []byte {
	h := fnv.New128a()
	fmt.Fprintf(h, "%d %s", partition, name)
	return h.Sum(nil)
}

// adopt makes a table this node's view, and tells who owns what now.
func (r *roster) adopt(t Table, revision uint64) {
	r.mu.Lock()
	if revision < r.revision {
		r.mu.Unlock()
		return
	}
	old := r.table
	r.table, r.revision = t, revision
	r.mu.Unlock()
	for p, a := range t.Partitions {
		if p >= len(old.Partitions) || old.Partitions[p] != a {
			r.moved(p, a)
		}
	}
}

// owner is who owns a partition, as far as this node knows.
func (r *roster) owner(partition int) Assignment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if partition >= len(r.table.Partitions) {
		return Assignment{}
	}
	return r.table.Partitions[partition]
}

// members are the nodes of the table.
func (r *roster) members() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.table.Nodes)
}

// others are the members but for this node; before the table was read once, they
// are not known.
func (r *roster) others() (names []string, known bool) {
	all := r.members()
	return slices.DeleteFunc(all, func(name string) bool { return name == r.name }), len(all) > 0
}

// leave tells the others not to wait for the lease to end.
func (r *roster) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), r.lease/3)
	defer cancel()
	if _, err := r.kv.Put(ctx, leasePrefix+r.name, []byte(farewell)); err != nil {
		r.logger.Debug("leaving without a word", "err", err)
	}
}

// handOver gives this node's partitions to others, for good or until they do so.
func (r *roster) handOver(ctx context.Context) error {
	t, revision, err := readTable(ctx, r.kv)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(t.Nodes), func(n string) bool { return n == r.name })
	dead, err := r.unheard(ctx, others)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(n string) bool { return slices.Contains(dead, n) })
	if len(others) == 0 {
		return errors.New("no other node is there to take the partitions")
	}
	for p, a := range t.Partitions {
		if a.Owner == r.name {
			t.Partitions[p] = Assignment{heir(others, p), a.Epoch + 1}
		}
	}
	if revision, err = writeTable(ctx, r.kv, &t, revision); err != nil {
		return err
	}
	r.adopt(t, revision)
	return nil
}

// unheard lists those whose lease does not change while one is watched.
func (r *roster) unheard(ctx context.Context, names []string) (dead []string, err error) {
	words := map[string]string{}
	for round := range 2 {
		for _, name := range names {
			e, err := entry(ctx, r.kv, leasePrefix+name)
			if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
				return nil, err
			}
			word := ""
			if err == nil {
				word = string(e.Value())
			}
			if round == 1 && words[name] == word {
				dead = append(dead, name)
			}
			words[name] = word
		}
		if round == 0 {
			pause(ctx, r.lease*2/3)
		}
	}
	return dead, nil
}

// entry is a key's value. Any replica answers, or the one that is asked nobody hears.
func entry(ctx context.Context, kv jetstream.KeyValue, key string) (jetstream.KeyValueEntry, error) {
	return insist(ctx, func(ctx context.Context) (jetstream.KeyValueEntry, error) { return kv.Get(ctx, key) })
}

func readTable(ctx context.Context, kv jetstream.KeyValue) (t Table, revision uint64, err error) {
	e, err := entry(ctx, kv, tableKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return t, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value(), &t)
	}
	if err != nil {
		return t, 0, fmt.Errorf("cluster table: %w", err)
	}
	return t, e.Revision(), nil
}

func writeTable(ctx context.Context, kv jetstream.KeyValue, t *Table, revision uint64) (uint64, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return 0, err
	}
	revision, err = kv.Update(ctx, tableKey, b, revision)
	if err != nil {
		return 0, fmt.Errorf("cluster table: %w", err)
	}
	return revision, nil
}
