package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// world is one partition on three nodes: their leads, their replicas and the
// sources of their logs are the product's, the stream between them is a model,
// and all that happens, happens one thing at a time, as the dice of one seed say.
type world struct {
	dice   *rand.Rand
	stream *model
	nodes  []*member
	flaw   flaw
	odds   []int // numbers of things, each as often as it is likely
	batch  int   // events in one, at most
	depth  int   // of things that happen while somebody waits
	mail   []letter
	owner  int
	epoch  uint64
	client uint64 // events that clients drew so far

	truth   tail   // what of the stream counts, by the rule and nothing else
	reached uint64 // the latest epoch of what counts
	counted map[uint64]bool
	void    []uint64 // messages that do not
	settled int      // batches
	err     error
}

// member is a node.
type member struct {
	name     string
	lead     *lead
	replica  *replica
	source   *source
	reigns   bool
	busy     bool // its lead waits for something
	log      []store.Entry
	verdicts []attempt
	rests    rests
}

// letter is a batch on its way to the owner.
type letter struct {
	from *member
	b    group
	a    attempt
}

// flaw is what is broken on purpose.
type flaw struct {
	sameIDs       bool // every reign names its messages alike
	anySequence   bool // the sequence of an answer is not looked at
	keepsIDs      bool // a new reign knows the ids of what was given up
	trimsAnywhere bool // a stream may begin with a message that counts for nobody
	epochless     bool // an earlier owner's group counts as any other
}

const (
	members   = 3
	batchMost = 4 // events: batches of the same size are common
)

// over is a context whose time is up: nobody waits, for what is not there already.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func newWorld(seed uint64, dir string, f flaw) (*world, error) {
	w := &world{dice: rand.New(rand.NewPCG(seed, 0)), flaw: f, counted: map[uint64]bool{}, epoch: 1}
	w.stream, w.batch = newModel(w.dice), 1+w.dice.IntN(batchMost)
	w.draw()
	for i := range members {
		n := &member{name: fmt.Sprint("n", i)}
		w.nodes = append(w.nodes, n)
		if err := w.build(n, filepath.Join(dir, n.name)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) build(n *member, dir string) (err error) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	n.replica = newReplica(0, dir, nil, nil, logger)
	cfg := store.Default(n.replica.dir)
	cfg.Mode, cfg.Unsealed, cfg.SegmentBytes = store.OS, true, store.SegmentBytesMin
	if n.replica.log, _, err = store.Open(cfg); err != nil {
		return err
	}
	n.replica.forget()
	n.replica.noted = time.Now().Add(time.Hour) // its place is not written down
	n.replica.enter(Following)
	n.replica.others = func() (names []string, known bool) {
		for _, o := range w.nodes {
			if o != n {
				names = append(names, o.name)
			}
		}
		return names, false
	}
	n.replica.lend = w.lend
	wait := func(uint64) { w.meanwhile(n) }
	n.lead = newLead(n.name, 0, &line{stream: w.stream, wait: func() { wait(0) }}, &window{stream: w.stream}, n.replica, wait, logger)
	n.source = w.newSource(n)
	return nil
}

func (w *world) newSource(n *member) *source {
	s := newSource(w.originOf(n), Source{}, 1, nil)
	s.send = func(b group, a attempt) { w.mail = append(w.mail, letter{n, b, a}) }
	return s
}

// originOf names a node's log.
func (w *world) originOf(n *member) uint64 {
	for i, o := range w.nodes {
		if o == n {
			return uint64(i + 1)
		}
	}
	return uint64(len(w.nodes))
}

func (w *world) lend(_ context.Context, node string, from uint64) []byte {
	for _, n := range w.nodes {
		if n.name == node {
			b, err := n.replica.read(nil, from, readSize)
			if err == nil {
				return b
			}
		}
	}
	return nil
}

// fail keeps the first thing that is wrong.
func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// produce is a client that sends an event to one node, or, to be sure, to more; but
// not while all is to come to rest.
func (w *world) produce() {
	if !w.stream.hostile {
		return
	}
	w.client++
	priority := event.Medium
	if w.dice.IntN(4) == 0 {
		priority = event.High
	}
	for _, at := range w.dice.Perm(members)[:1+w.dice.IntN(members)] {
		n := w.nodes[at]
		e := store.Entry{Record: event.Record{Sequence: uint64(len(n.log) + 1), ID: 1<<40 | w.client, Type: event.TypeEvent, Priority: priority, TopicLength: 1}, Topic: []byte("t")}
		e.Length = event.RecordSize + 1
		b, _ := e.AppendBinary(nil)
		e.Content = event.Checksum(0, b[16:e.Length])
		n.log = append(n.log, e)
	}
}

// key is what must be there once: an event, or, where nobody looks for doubles,
// an event of one log.
func key(origin uint64, e *event.Record) uint64 {
	if unique(e) {
		return e.ID
	}
	return e.ID | origin<<60
}

// deal makes a batch of what a log has next, as a source that reads it.
func (w *world) deal(n *member) {
	s := n.source
	if len(s.parts[0].flights) >= sendersMax {
		return
	}
	for range 1 + w.dice.IntN(w.batch) {
		if s.read < uint64(len(n.log)) {
			e := &n.log[s.read]
			s.read = e.Sequence
			s.put(e)
		}
	}
	s.flush(0)
}

// restart is a node that sends its log anew from where the stream has it.
func (w *world) restart(n *member) {
	info, _ := n.lead.stream.Info(over)
	if n.replica.await(over, info.State.LastSeq) != nil {
		return
	}
	n.source = w.newSource(n)
	n.source.read = n.replica.standing().marks.of(n.source.origin)
	n.source.parts[0].sent = n.source.read
}

// deliver takes a batch to whoever thinks that it is the owner.
func (w *world) deliver() {
	if len(w.mail) == 0 {
		return
	}
	at := 0
	if w.stream.chance(8) {
		at = w.dice.IntN(len(w.mail))
	}
	m := w.mail[at]
	w.mail = append(w.mail[:at:at], w.mail[at+1:]...)
	if w.stream.chance(20) {
		return
	}
	for _, n := range w.nodes {
		if n.lead.duty.Load() == nil || n.busy {
			continue // and the source sends it again in time
		}
		if n.reigns && len(n.lead.flights) < flightsMax {
			n.lead.offer(offer{m.b, func(v verdict) { w.answered(m, v) }})
			w.step(n)
		} else if !n.reigns {
			n.lead.offer(offer{m.b, func(v verdict) { w.answered(m, v) }})
			n.lead.abandon()
		}
	}
}

// answered is an owner's verdict. What is settled must count.
func (w *world) answered(m letter, v verdict) {
	if v == settled {
		w.settled++
		w.check(m.b.each(func(e *store.Entry, _ []byte) error {
			if !w.counted[key(m.b.origin, &e.Record)] {
				return fmt.Errorf("event %x of origin %d, sequence %d, was answered, and does not count", e.ID, m.b.origin, e.Sequence)
			}
			return nil
		}))
	}
	m.a.verdict = v
	m.from.verdicts = append(m.from.verdicts, m.a)
}

func (w *world) check(err error) {
	if err != nil {
		w.fail("%w", err)
	}
}

// hear tells a source what became of its batches.
func (w *world) hear(n *member) {
	if len(n.verdicts) == 0 {
		return
	}
	a := n.verdicts[0]
	n.verdicts = n.verdicts[1:]
	if !w.stream.chance(12) {
		n.source.hear(a)
	}
}

// step lets a lead do the one thing that is ready.
func (w *world) step(n *member) {
	n.busy = true
	err := n.lead.step(context.Background())
	n.busy = false
	if err != nil {
		n.reigns = false
		n.lead.abandon()
	}
}

// ack is the answer to what a lead published first; late, it gives up.
func (w *world) ack(n *member, late bool) {
	if !n.reigns || n.busy || len(n.lead.flights) == 0 {
		return
	}
	f := n.lead.flights[0].ack.(*future)
	if late && !f.answered() {
		f.failed = jetstream.ErrAsyncPublishTimeout
	}
	if !f.answered() {
		return
	}
	if w.flaw.anySequence && f.ack != nil {
		f.ack.Sequence = n.lead.flights[0].stream
	}
	f.come()
	w.step(n)
}

// begin is the beginning of a reign.
func (w *world) begin(n *member) {
	epoch := n.lead.duty.Load()
	if epoch == nil || n.reigns || n.busy {
		return
	}
	n.busy = true
	defer func() { n.busy = false }()
	n.lead.epoch = *epoch
	before := n.lead.recent
	err := n.lead.find(over)
	if w.flaw.sameIDs {
		n.lead.nonce = 0
	}
	if w.flaw.keepsIDs && before != nil {
		n.lead.recent = before
	}
	if err == nil {
		err = n.lead.fence(over)
	}
	n.reigns = err == nil
}

// learn tells a node who the owner is.
func (w *world) learn(n *member) {
	if n.busy {
		return
	}
	var epoch *uint64
	if w.nodes[w.owner] == n {
		now := w.epoch
		epoch = &now
	}
	if had := n.lead.duty.Load(); had == nil && epoch == nil || had != nil && epoch != nil && *had == *epoch {
		return
	}
	n.lead.assign(epoch)
	n.source.hear(attempt{round: anyRound, verdict: again})
	if n.reigns {
		w.step(n)
	} else {
		<-n.lead.changed
	}
}
