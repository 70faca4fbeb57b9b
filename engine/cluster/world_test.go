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
	dice    *rand.Rand
	stream  *model
	nodes   []*member
	flaw    flaw
	odds    []int  // numbers of things, each as often as it is likely
	calm    int    // things between faults, about
	absence int    // and until a process starts again
	share   uint64 // of messages: what a stream may have before it is trimmed
	batch   int    // events in one, at most
	depth   int    // of things that happen while somebody waits
	mail    []letter
	owner   int
	epoch   uint64
	client  uint64 // events that clients drew so far

	origins  uint64 // nodes there were so far: one whose disk is lost comes back as another
	payload  int    // bytes of an event's; 0: replicas keep all
	released uint64 // the last record that some replica let go of

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
	dir      string
	origin   uint64 // of its log
	lead     *lead
	replica  *replica
	source   *source
	reigns   bool
	busy     bool // its lead waits for something
	away     bool // its process does not run
	removed  bool // for good
	knows    bool // who is a member
	resumed  bool // its source knows from where on to send
	rotten   bool // its disk is
	log      []store.Entry
	durable  int    // of log: on the disk
	furthest uint64 // of log: dealt out by the process before
	settled  int    // of log: said to be replicated
	verdicts []told
	looks    looks
	safe     tail    // where its replica was when its disk had all of that
	synced   written // of the replica's log, then
	placed   []byte  // the place that was written down before the last
}

// told is an attempt whose end is known, and of whose log it was.
type told struct {
	attempt
	origin uint64
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
	epochless     bool // an earlier owner's group counts as any other, whatever marks it says
	dealsUnsynced bool // a source sends what its disk may not have
	resumesAhead  bool // a source goes on from where it was, not from where the stream is
	forgetful     bool // a replica that is opened does not know the ids of its log
	baseless      bool // what a replica's log rests on is not written down
	readOnly      bool // a replica says that it has what may be read, not what its log has
	nameless      bool // a verdict is for whoever has the name
	outlives      bool // a reign goes on though its replica was made anew
	countless     bool // after a start nobody knows which message counted last
	leadsToTrim   bool // only who leads trims, not who should
}

const (
	members     = 3
	batchMost   = 4 // events: batches of the same size are common
	payloadMost = 8 << 10
)

// over is a context whose time is up: nobody waits, for what is not there already.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func newWorld(seed uint64, dir string, f flaw) *world {
	w := &world{dice: rand.New(rand.NewPCG(seed, 0)), flaw: f, counted: map[uint64]bool{}, epoch: 1, origins: members}
	w.stream, w.batch = newModel(w.dice), 1+w.dice.IntN(batchMost)
	if w.dice.IntN(8) == 0 {
		w.payload = payloadMost/2 + w.dice.IntN(payloadMost/2)
	}
	w.draw()
	for i := range members {
		n := &member{name: fmt.Sprint("n", i), dir: filepath.Join(dir, fmt.Sprint("n", i)), origin: uint64(i + 1)}
		w.nodes = append(w.nodes, n)
		w.build(n)
	}
	return w
}

// build is a process that starts on what its node's disk has.
func (w *world) build(n *member) {
	logger, view := slog.New(slog.NewTextHandler(io.Discard, nil)), &window{stream: w.stream}
	r := newReplica(0, n.dir, view, &feed{shelf: shelfOf{w.stream}}, logger)
	r.plain.Mode, r.plain.SegmentBytes = store.OS, store.SegmentBytesMin // synced when the world says so
	r.noted = time.Now().Add(time.Hour)                                  // as its place is written down
	if w.payload > 0 {
		r.keeps.age = 1e6 * time.Hour
	}
	r.others = func() (names []string, known bool) {
		for _, o := range w.nodes {
			if o != n && !o.removed {
				names = append(names, o.name)
			}
		}
		return names, n.knows
	}
	r.lend, r.survey = w.lend, w.survey
	wait := func(uint64) { w.meanwhile(n) }
	n.replica, n.lead = r, newLead(n.name, 0, &line{stream: w.stream, wait: func() { wait(0) }}, view, r, wait, logger)
	n.source, n.safe = w.newSource(n), tail{}
	w.follow(n, func(*replica) error { return nil })
}

func (w *world) newSource(n *member) *source {
	s := newSource(n.origin, Source{Replicated: func(to uint64) { w.replicated(n, int(to)) }}, 1, nil)
	s.send = func(b group, a attempt) { w.mail = append(w.mail, letter{n, b, a}) }
	return s
}

// replicated is what a node's clients are told.
func (w *world) replicated(n *member, to int) {
	for ; n.settled < to; n.settled++ {
		if e := &n.log[n.settled]; !w.counted[key(n.origin, &e.Record)] {
			w.fail("event %x of %s, sequence %d, is said to be replicated, and does not count", e.ID, n.name, e.Sequence)
		}
	}
}

func (w *world) lend(_ context.Context, node string, from uint64) []byte {
	for _, n := range w.nodes {
		if n.name == node && !n.away {
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
	id, at := w.client-min(w.client, w.dice.Uint64N(20)), w.dice.Perm(members)[:1+w.dice.IntN(members)]
	if w.payload > 0 { // an id is let go of with its record
		id, at = 0, at[:1]
	}
	if id%4 == 0 || w.dice.IntN(4) > 0 { // else a client that was not answered sends an event once more
		w.client++
		id = w.client
	}
	priority := event.Medium
	if id%4 == 0 { // in a lane that does not look for doubles
		priority = event.High
	}
	for _, i := range at {
		if n := w.nodes[i]; !n.away {
			n.add(1<<40|id, priority, w.payload)
		}
	}
}

// add is an event that a node's log takes.
func (n *member) add(id uint64, priority event.Priority, payload int) {
	e := store.Entry{Record: event.Record{Sequence: uint64(len(n.log) + 1), ID: id, Type: event.TypeEvent, Priority: priority, TopicLength: 1}, Topic: []byte("t"), Payload: make([]byte, payload)}
	e.Length = uint32(event.RecordSize + 1 + payload)
	b, _ := e.AppendBinary(nil)
	e.Content = event.Checksum(0, b[16:e.Length])
	n.log = append(n.log, e)
}

// key is what must be there once: an event, or, where nobody looks for doubles,
// an event of one log.
func key(origin uint64, e *event.Record) uint64 {
	if unique(e) {
		return e.ID
	}
	return e.ID | origin<<56
}

// deal makes a batch of what a log has next, as a source that reads it.
func (w *world) deal(n *member) {
	s := n.source
	if len(s.parts[0].flights) >= sendersMax || !n.resumed {
		return
	}
	synced := uint64(n.durable)
	if w.flaw.dealsUnsynced {
		synced = uint64(len(n.log))
	}
	for range 1 + w.dice.IntN(w.batch) {
		if s.read < synced {
			e := &n.log[s.read]
			s.read = e.Sequence
			s.put(e)
		}
	}
	s.flush(0)
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
		if n.lead.duty.Load() == nil || n.busy || n.away {
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
	m.from.verdicts = append(m.from.verdicts, told{m.a, m.b.origin})
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
	if !w.stream.chance(12) && (a.origin == n.origin || w.flaw.nameless) {
		n.source.hear(a.attempt)
		n.source.report()
	}
}

// step lets a lead do the one thing that is ready.
func (w *world) step(n *member) {
	if w.flaw.outlives {
		n.lead.ids = n.replica.ids.Load()
	}
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
	n.knows = true
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
