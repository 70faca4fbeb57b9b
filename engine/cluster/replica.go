package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
	"eventstreamcore/engine/store"
)

// replica is this node's own copy of a partition: a log whose sequences are the
// partition's indices. It follows the stream, checks the chain record by record,
// and is what readers are served from. What does not agree with the chain, or
// no longer with its own checksums, is set aside and made anew from the stream,
// of which two other nodes have a copy; meanwhile nothing is served.
//
// One goroutine runs it. Others ask where it stands.
type replica struct {
	number int
	dir    string
	stream jetstream.Stream
	feed   *feed
	logger *slog.Logger

	landed chan landing // groups that this node's lead had stored: they need not be read back

	log    *store.Log
	ids    atomic.Pointer[queue.Dedup] // of the transactions of the last hour
	has    bound                       // what the log ends with, written or gathered
	end    tail                        // as far as the stream was applied
	noting tail                        // the place to write down once the log has it on the disk
	noted  time.Time                   // when one was written down last
	clock  int64                       // minutes, of the record that ids was advanced for last
	ended  <-chan struct{}
	plain  store.Config // of the log, but for what is kept

	others    func() (names []string, known bool)                        // nodes that have replicas, too
	lend      func(ctx context.Context, node string, from uint64) []byte // asks one for records
	survey    func(ctx context.Context, node string) (extent, bool)      // asks one which it has; false: it does not answer
	adrift    bool                                                       // the stream no longer has what comes next
	strangers int                                                        // messages that rest on nothing here, meanwhile
	goneSince time.Time                                                  // when records were first seen to be with nobody
	keeps     retention

	mu         sync.Mutex
	tail       tail // as far as it was written, too
	state      State
	bounds     [bounds]bound
	milestones []bound // every so many records: where to begin reading for a chain
	stop       context.CancelFunc
	damage     error
	repairs    int
	base       bound  // what the first record that is kept rests on
	holds      uint64 // the log had up to this record when it was opened, or borrowed for, last
	lost       uint64 // records that nobody had any more
	waiting    []waiter
	reader     *store.Reader
	readAt     uint64
}

// State is what a replica is doing.
type State string

// The states of a replica.
const (
	Checking  State = "checking"  // reading all of its log, at the start
	Following State = "following" // the stream: readers are served
	Repairing State = "repairing" // being made anew
)

// bound is the chain behind some record, kept so that nodes can be compared at
// a place where all have been.
type bound struct {
	index uint64
	chain uint32
}

const (
	bounds    = 4096
	idWords   = 1 << 20 // 8 MiB a partition
	idMinutes = 60
	scrubRate = 4 << 20 // bytes a second
	// replicaSync is how much of a replica a power cut may take, which the stream
	// still has: its syncs need not stand in the way of the stream's on a disk that
	// both share, but must be small, for the stream's wait for each.
	replicaSync = 20 * time.Millisecond
	retryPause  = 200 * time.Millisecond
)

// waiter wants to be told when the replica has the stream up to a message.
type waiter struct {
	stream uint64
	told   chan struct{}
}

// errDamaged says that a replica does not hold what the others hold.
var errDamaged = errors.New("replica damaged")

func newReplica(number int, dir string, stream jetstream.Stream, feed *feed, logger *slog.Logger) *replica {
	dir = filepath.Join(dir, "replicas", strconv.Itoa(number))
	plain := store.Default(dir)
	plain.Mode, plain.Interval, plain.ScrubRate, plain.Unsealed, plain.Hold = store.Interval, replicaSync, scrubRate, true, true
	return &replica{
		number: number, dir: dir, plain: plain, stream: stream, feed: feed,
		logger: logger.With("partition", number), state: Checking, landed: make(chan landing, landedMax),
	}
}

// run keeps the replica up to date until ctx is done.
func (r *replica) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if err = r.heal(err); errors.Is(err, errGone) {
			r.logger.Error("replica lacks records, and is not served: it waits for a node that may have them", "err", err)
			pause(ctx, callWait)
		} else if err != nil {
			r.logger.Debug("replica does not follow", "err", err)
			pause(ctx, retryPause)
		}
	}
	if r.log != nil {
		if err := r.log.Close(); err != nil {
			r.logger.Error("closing the replica", "err", err)
		} else {
			r.note(r.standing())
		}
	}
}

// heal does about an error what can be done at once, and is what is left of it.
func (r *replica) heal(err error) error {
	if errors.Is(err, errDamaged) {
		r.logger.Error("replica is made anew from the stream", "err", err)
		err = r.setAside()
	}
	var later *anew
	if errors.As(err, &later) {
		err = r.begin(later)
	}
	return err
}

// open opens the log and reads all of it: for the chain, and for the ids of the
// last hour.
func (r *replica) open() error {
	base, err := readBase(r.dir)
	if err != nil {
		return fmt.Errorf("replica of partition %d: %w", r.number, err)
	}
	r.mu.Lock()
	r.base, r.milestones = base, nil
	r.mu.Unlock()
	log, recovery, err := store.Open(r.replicaConfig())
	var corrupt *store.CorruptError
	if errors.As(err, &corrupt) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	} else if err != nil {
		return fmt.Errorf("replica of partition %d: %w", r.number, err)
	}
	r.log = log
	r.forget()
	t := r.recall()
	if recovery.Last < t.index || t.index < base.index { // a power cut took the end of the log, or the place is too old
		t = tail{}
	}
	r.has = base
	if recovery.Last > base.index {
		err = r.check(t)
	}
	if err == nil && r.has.index != recovery.Last {
		err = fmt.Errorf("only %d of %d records read back", r.has.index, recovery.Last)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	r.end, r.noting = t, t
	r.hasNow()
	r.reach(t) // who waits already is told
	return nil
}

// check reads the log from what it rests on, and holds it against where the
// replica remembers to have been.
func (r *replica) check(at tail) error {
	reader, err := store.NewReader(r.dir)
	if err != nil {
		return err
	}
	defer reader.Close()
	if r.has.index == at.index && r.has.chain != at.chain {
		return fmt.Errorf("chain behind record %d is %08x, was %08x", at.index, r.has.chain, at.chain)
	}
	if err := reader.SeekSequence(r.has.index + 1); err != nil {
		return err
	}
	for e := range reader.All() {
		if e.Sequence != r.has.index+1 {
			return fmt.Errorf("record %d is missing", r.has.index+1)
		}
		r.hold(e, bound{e.Sequence, link(r.has.chain, e.Content)})
		if r.has.index == at.index && r.has.chain != at.chain {
			return fmt.Errorf("chain behind record %d is %08x, was %08x", at.index, r.has.chain, at.chain)
		}
	}
	return reader.Err()
}

// apply appends what of a group the log has not, and holds the chain against
// what it has.
func (r *replica) apply(g *group) error {
	chain, index := g.before, g.index
	if g.index > r.has.index+1 {
		return fmt.Errorf("%w: it ends with record %d, the stream goes on with %d", errDamaged, r.has.index, g.index)
	}
	err := g.each(func(e *store.Entry, encoded []byte) error {
		chain = link(chain, e.Content)
		if index == r.has.index && chain != r.has.chain {
			return fmt.Errorf("%w: chain behind record %d is %08x here and %08x in the stream", errDamaged, index, r.has.chain, chain)
		}
		if index > r.has.index {
			if err := r.append(encoded[:e.Length], index); err != nil {
				return err
			}
			r.hold(e, bound{index, chain})
		}
		index++
		return nil
	})
	if err == nil && chain != g.after {
		err = fmt.Errorf("group %d to %d: chain ends with %08x, not %08x: %w", g.index, index-1, chain, g.after, errGroup)
	}
	return err
}

// append puts a record into the log under its index.
func (r *replica) append(record []byte, index uint64) error {
	for {
		seq, ok := r.log.AppendRecord(record)
		if ok && seq != index {
			return fmt.Errorf("%w: record %d got sequence %d", errDamaged, index, seq)
		} else if ok {
			return nil
		}
		if err := r.write(); err != nil {
			return err
		}
	}
}

// write writes what was gathered. A full disk holds it up until there is room.
func (r *replica) write() error {
	for range 2 { // the group that was offered, and the one behind it
		r.log.Offer()
		if _, err := r.log.Commit(); err != nil {
			return fmt.Errorf("replica of partition %d: %w", r.number, err)
		}
	}
	for r.log.Full() {
		select {
		case <-r.ended:
			return context.Canceled
		case <-time.After(retryPause):
		}
		if _, err := r.log.Commit(); err != nil {
			return fmt.Errorf("replica of partition %d: %w", r.number, err)
		}
	}
	return nil
}

// forget makes the memory of ids anew: of what the log does not hold, nothing may
// be known.
func (r *replica) forget() {
	words := make([]uint64, idWords+8)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(words)))/8) & 7 // to a cache line
	r.ids.Store(queue.NewDedup(words[skip:][:idWords], idMinutes))
	r.clock = 0
}

// remember keeps the id of an event that must not come twice.
func (r *replica) remember(e *store.Entry) {
	ids := r.ids.Load()
	if minute := e.Wall / int64(time.Minute); minute > r.clock {
		for range min(minute-r.clock, idMinutes+1) {
			ids.Advance()
		}
		r.clock = minute
	}
	if unique(&e.Record) {
		ids.Insert(e.ID)
	}
}

// unique reports whether an event's id is its own in the whole cluster, and
// says that it must not be there twice: the lane dedups, and a client drew it.
func unique(e *event.Record) bool {
	return e.Priority.Lane() == event.LaneTransactional && e.ID>>40 != 0
}

// setAside moves the log out of the way, where it can be looked at.
func (r *replica) setAside() error {
	aside, err := r.moveAside("damaged")
	if err != nil {
		return fmt.Errorf("setting a damaged replica aside: %w", err)
	}
	r.mu.Lock()
	r.repairs++
	r.mu.Unlock()
	r.logger.Warn("damaged replica set aside", "folder", aside)
	return nil
}

// moveAside closes the log, gives its folder another name, and forgets what was
// known of it.
func (r *replica) moveAside(why string) (aside string, err error) {
	r.enter(Repairing)
	if r.log != nil {
		r.log.Close()
		r.log = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeReader()
	r.end, r.tail, r.damage, r.bounds, r.adrift, r.strangers = tail{}, tail{}, nil, [bounds]bound{}, false, 0
	r.base, r.milestones, r.holds = bound{}, nil, 0
	if err := os.Remove(r.dir + placeSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	aside = fmt.Sprintf("%s.%s-%d", r.dir, why, time.Now().UnixNano())
	return aside, os.Rename(r.dir, aside)
}
