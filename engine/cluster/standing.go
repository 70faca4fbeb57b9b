package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventstreamcore/engine/store"
)

// What others ask of a replica, from any goroutine.

// standing is how far the replica has the stream.
func (r *replica) standing() tail {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tail
}

func (r *replica) enter(s State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s
}

// reach notes that the log has the stream up to t, and tells who waits for it.
func (r *replica) reach(t tail) {
	if r.log.Durable() >= r.noting.index && time.Since(r.noted) > noteEvery {
		r.note(r.noting)
		r.noting = t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tail = t
	kept := r.waiting[:0]
	for _, w := range r.waiting {
		if w.stream <= t.stream {
			close(w.told)
		} else {
			kept = append(kept, w)
		}
	}
	r.waiting = kept
}

// pass notes the chain behind a group, which counts.
func (r *replica) pass(t tail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bounds[t.index%bounds] = bound{t.index, t.chain}
}

// await returns once the log has the stream up to a message.
func (r *replica) await(ctx context.Context, stream uint64) error {
	r.mu.Lock()
	if r.tail.stream >= stream {
		r.mu.Unlock()
		return nil
	}
	w := waiter{stream, make(chan struct{})}
	r.waiting = append(r.waiting, w)
	r.mu.Unlock()
	select {
	case <-w.told:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mark is how far the stream has a node's log: of what in the stream counts, so
// the replica reads it to its end first.
func (r *replica) mark(ctx context.Context, origin uint64) (last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*callWait)
	defer cancel()
	info, err := r.stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.await(ctx, info.State.LastSeq); err != nil {
		return 0, err
	}
	return r.standing().marks.of(origin), nil
}

// chainAt is the chain behind a record at which a group ended, if it is still
// remembered.
func (r *replica) chainAt(index uint64) (uint32, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index == r.tail.index {
		return r.tail.chain, true
	}
	if index == r.base.index {
		return r.base.chain, true
	}
	b := r.bounds[index%bounds]
	return b.chain, b.index == index && index > 0
}

// known is the damage that a reader met.
func (r *replica) known() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.damage
}

// watch looks at what the scrub finds in what was written long ago, and at what
// may go.
func (r *replica) watch(ctx context.Context, log *store.Log) {
	for ; ctx.Err() == nil; pause(ctx, time.Second) {
		if d := log.Damage(); d != nil {
			r.mu.Lock()
			r.condemn(errors.New(d.String()))
			r.mu.Unlock()
			return
		}
		if err := r.retire(log); err != nil && ctx.Err() == nil {
			r.logger.Warn("oldest records are kept for now", "err", err)
		}
	}
}

// errBusy says that a replica cannot serve: its State says why.
var errBusy = errors.New("replica is not served now: ask another node")

// GoneError says that records are no longer kept.
type GoneError struct {
	Partition   int
	From, First uint64 // what was asked for, and what is kept from
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("partition %d: records %d to %d are no longer kept", e.Partition, e.From, e.First-1)
}

// read appends records from an index on to dst, as many as there are and about
// fit into size bytes. Each was checked when it was read.
func (r *replica) read(dst []byte, from uint64, size int) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != Following || r.damage != nil {
		return dst, errBusy
	}
	if from <= r.base.index {
		return dst, &GoneError{r.number, from, r.base.index + 1}
	}
	if from > r.tail.index {
		return dst, nil
	}
	if err := r.seek(from); err != nil {
		return dst, err
	}
	for len(dst) < size && r.readAt <= r.tail.index && r.reader.Next() {
		e := r.reader.Entry()
		if e.Sequence != r.readAt {
			return dst, r.condemn(fmt.Errorf("record %d is missing", r.readAt))
		}
		dst, _ = e.AppendBinary(dst)
		r.readAt++
	}
	if err := r.reader.Err(); err != nil {
		return dst, r.condemn(err)
	}
	if len(dst) < size && r.readAt <= r.tail.index { // written it was
		return dst, r.condemn(fmt.Errorf("the log ends with record %d of %d", r.readAt-1, r.tail.index))
	}
	return dst, nil
}

func (r *replica) seek(from uint64) (err error) {
	if r.reader != nil && r.readAt == from {
		return nil
	}
	r.closeReader()
	if r.reader, err = store.NewReader(r.dir); err == nil {
		err = r.reader.SeekSequence(from)
	}
	var corrupt *store.CorruptError
	if errors.As(err, &corrupt) {
		return r.condemn(err)
	} else if err != nil {
		return fmt.Errorf("reading the replica: %w", err)
	}
	r.readAt = from
	return nil
}

func (r *replica) closeReader() {
	if r.reader != nil {
		r.reader.Close()
		r.reader = nil
	}
}

// condemn ends the serving of a replica that does not read back.
func (r *replica) condemn(err error) error {
	r.damage = fmt.Errorf("%w: %w", errDamaged, err)
	r.closeReader()
	if r.stop != nil {
		r.stop()
	}
	return errBusy
}

// pause waits, but no longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
