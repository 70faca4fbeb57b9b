package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/queue"
)

// lead is what a partition's owner does: it takes batches in from all nodes,
// numbers their records, and publishes them, several at a time, each expecting
// the one before it under its sequence. It holds on to where the stream will
// end once all of that is stored. When anything goes otherwise it forgets what
// it had under way, whose senders send it again, and reads anew where the
// stream does end: from there on everything follows.
//
// One goroutine runs it on every node; only the owner's does anything.
type lead struct {
	name    string // of this node
	number  int
	subject string
	js      jetstream.JetStream
	stream  jetstream.Stream
	replica *replica
	ring    func(stream uint64) // tells all nodes how far the stream is stored
	logger  *slog.Logger

	offers  chan offer
	changed chan struct{}          // capacity 1: look at duty again
	duty    atomic.Pointer[uint64] // the epoch under which this node owns the partition, or nil
	leading atomic.Bool            // it publishes

	epoch    uint64
	nonce    uint64        // drawn for each reign: names its messages
	invited  uint64        // the epoch in which the stream's lead was asked here
	patience time.Duration // with the stream's leader
	end      tail          // of the stream, once all in flight is stored
	flights  []flight
	ids      *queue.Dedup        // the replica's memory
	recent   map[uint64]struct{} // ids in flight, or stored and not yet there
	stored   []landed            // groups whose ids are in recent
}

// offer is a batch and whom to tell what became of it. The answer may come from
// any goroutine, must not block, and comes once or, if the owner dies, never.
type offer struct {
	batch  group
	answer func(verdict)
}

// verdict is the fate of a batch.
type verdict byte

const (
	settled verdict = 'k' // on the disks of a majority
	again   verdict = 'r' // send it, and what followed it, once more
)

type flight struct {
	landing // where it is to be
	ack     jetstream.PubAckFuture
	offer   offer
	ids     []uint64
}

type landed struct {
	stream uint64
	bound  // of the partition, behind the group
	ids    []uint64
}

const (
	flightsMax = 16 // groups under way: 1 MiB a partition
	offersMax  = 256
	callWait   = 2 * time.Second // for one request to JetStream: one to a dead leader is never answered
)

func newLead(name string, number int, js jetstream.JetStream, stream jetstream.Stream, r *replica, ring func(uint64), logger *slog.Logger) *lead {
	return &lead{
		name: name, number: number, subject: subjectOf(number), js: js, stream: stream, replica: r, ring: ring, logger: logger.With("partition", number),
		offers: make(chan offer, offersMax), changed: make(chan struct{}, 1),
	}
}

// assign tells the lead that this node owns the partition, or nil, not.
func (l *lead) assign(epoch *uint64) {
	l.duty.Store(epoch)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// offer hands a batch over. It is false when this node does not own the
// partition, or has too much to do.
func (l *lead) offer(o offer) bool {
	if l.duty.Load() == nil {
		return false
	}
	select {
	case l.offers <- o:
		return true
	default:
		return false
	}
}

// run leads whenever it is this node's turn, until ctx is done.
func (l *lead) run(ctx context.Context) {
	for ctx.Err() == nil {
		epoch := l.duty.Load()
		if epoch == nil {
			l.wait(ctx)
			continue
		}
		l.epoch = *epoch
		if err := l.reign(ctx); ctx.Err() == nil {
			l.logger.Info("partition is looked at anew", "err", err)
			pause(ctx, retryPause/4)
		}
		l.leading.Store(false)
		l.abandon()
	}
}

// wait refuses what comes until something changes.
func (l *lead) wait(ctx context.Context) {
	select {
	case <-l.changed:
	case o := <-l.offers:
		o.answer(again)
	case <-ctx.Done():
	}
}

// abandon gives up what was under way: it may be stored or not.
func (l *lead) abandon() {
	for _, f := range l.flights {
		f.offer.answer(again)
	}
	l.flights = nil
	for {
		select {
		case o := <-l.offers:
			o.answer(again)
		default:
			return
		}
	}
}

// reign finds the stream's end, makes sure of it, and publishes until something
// goes wrong or the partition is another's.
func (l *lead) reign(ctx context.Context) error {
	if err := l.find(ctx); err != nil {
		return err
	}
	if err := l.fence(ctx); err != nil {
		return err
	}
	l.logger.Info("partition is led here", "epoch", l.epoch, "records", l.end.index)
	l.leading.Store(true)
	for {
		if err := l.step(ctx); err != nil {
			return err
		}
	}
}

// errDeposed says that another owner has published.
var errDeposed = errors.New("partition has a later owner")

// find reads where the stream ends, and waits until the replica has all of it:
// then every id that must not come again is known.
func (l *lead) find(ctx context.Context) error {
	info, err := l.info(ctx)
	if err != nil {
		return fmt.Errorf("finding the stream's end: %w", err)
	}
	if l.invite(ctx, info) {
		return errInvited
	}
	l.recent, l.stored, l.nonce = map[uint64]struct{}{}, nil, rand.Uint64()
	l.ring(info.State.LastSeq)
	return l.catchUp(ctx, info.State.LastSeq)
}

// catchUp waits for the replica, which may have much to read. It alone knows
// which of the stream's messages count, and so where the stream stands.
func (l *lead) catchUp(ctx context.Context, stream uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*callWait)
	defer cancel()
	if err := l.replica.await(ctx, stream); err != nil {
		return fmt.Errorf("waiting for the replica: %w", err)
	}
	l.ids = l.replica.ids.Load() // and then where it stands: made anew meanwhile, it is nowhere
	l.end = l.replica.standing()
	if l.end.epoch > l.epoch {
		return errDeposed
	}
	return nil
}

// fence puts this owner's epoch at the stream's end, which nothing that an
// earlier one has under way expects there.
func (l *lead) fence(ctx context.Context) error {
	if l.end.epoch == l.epoch {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	g := l.next(group{})
	ack, err := l.js.PublishMsg(ctx, l.message(&g, g.encode()))
	if err != nil {
		return fmt.Errorf("fencing off earlier owners: %w", err)
	}
	l.end = l.end.after(&g)
	if ack.Sequence != l.end.stream {
		return fmt.Errorf("fence is message %d, not %d", ack.Sequence, l.end.stream)
	}
	l.ring(l.end.stream)
	if err = l.catchUp(ctx, l.end.stream); err == nil && l.end.epoch != l.epoch {
		err = errDeposed
	}
	return err
}

// step does what is next: publish a batch, if there is room, or settle one.
func (l *lead) step(ctx context.Context) error {
	offers, stored, failed := l.offers, (<-chan *jetstream.PubAck)(nil), (<-chan error)(nil)
	if len(l.flights) == flightsMax {
		offers = nil
	}
	if len(l.flights) > 0 {
		stored, failed = l.flights[0].ack.Ok(), l.flights[0].ack.Err()
	}
	select {
	case o := <-offers:
		return l.take(o)
	case ack := <-stored:
		return l.settle(ack)
	case err := <-failed:
		return fmt.Errorf("publishing: %w", err)
	case <-l.changed:
		if epoch := l.duty.Load(); epoch == nil || *epoch != l.epoch {
			return errDeposed
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// errForgot says that the replica is made anew, and with it the memory of ids.
var errForgot = errors.New("the replica does not know yet what it had")

// take publishes a batch, or what of it the partition has not.
func (l *lead) take(o offer) error {
	if l.replica.ids.Load() != l.ids {
		o.answer(again)
		return errForgot
	}
	b := &o.batch
	have := l.end.marks.of(b.origin)
	if have < b.prev { // what came before it is still to come, or came without this reign's doing
		o.answer(again)
		if has := l.replica.standing().stream; has > l.end.stream {
			return fmt.Errorf("the stream has message %d, and this reign knows of %d", has, l.end.stream)
		}
		return nil
	}
	if have >= b.last {
		return l.confirm(o)
	}
	f, encoded, err := l.compose(o, have)
	if err != nil {
		l.logger.Error("a node's batch does not read", "err", err)
		return nil // and is never answered: to ask for it again would not mend it
	}
	if f.ack, err = l.js.PublishMsgAsync(l.message(&f.group, encoded)); err != nil {
		o.answer(again)
		return fmt.Errorf("publishing: %w", err)
	}
	l.end = l.end.after(&f.group)
	l.flights = append(l.flights, f)
	return nil
}

// confirm answers a batch that the stream has, or has under way.
func (l *lead) confirm(o offer) error {
	if len(l.flights) > 0 && l.flights[0].group.had(o.batch.origin) < o.batch.last {
		o.answer(again) // by then it is settled
	} else {
		o.answer(settled)
	}
	return nil
}

// errAstray says that the stream does not read as it was written.
var errAstray = errors.New("the replica has other records than were published")

// settle answers the oldest flight.
func (l *lead) settle(ack *jetstream.PubAck) error {
	f := l.flights[0]
	if ack.Sequence != f.stream {
		return fmt.Errorf("group is message %d, not %d", ack.Sequence, f.stream)
	}
	l.flights = l.flights[1:]
	if !ack.Duplicate {
		l.replica.land(f.landing)
	}
	l.ring(f.stream)
	f.offer.answer(settled)
	l.stored = append(l.stored, landed{f.stream, bound{f.group.index + uint64(f.group.count) - 1, f.group.after}, f.ids})
	return l.compare(l.replica.standing())
}

// compare holds what was stored against what the replica has by now, and leaves
// the memory of its ids to it.
func (l *lead) compare(has tail) error {
	for len(l.stored) > 0 && l.stored[0].stream <= has.stream {
		at := &l.stored[0]
		if at.stream == has.stream && at.bound != (bound{has.index, has.chain}) {
			return fmt.Errorf("message %d, record %d: %w", at.stream, at.index, errAstray)
		}
		for _, id := range at.ids {
			delete(l.recent, id)
		}
		l.stored = l.stored[1:]
	}
	return nil
}
