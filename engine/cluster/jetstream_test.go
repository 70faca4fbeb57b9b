package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// model is a replicated stream as nats-server 2.15.2 keeps one, as far as a
// publisher can tell (server/jetstream_cluster.go: processClusteredInboundMsg,
// applyStreamMsgOp, processStreamLeaderChange; jetstream_batching.go:
// checkMsgHeadersPreClusteredProposal).
//
// A message is checked when it comes in: its id against those applied and under
// way, the sequence that it expects against what is proposed, which runs ahead of
// what is applied. Then it is proposed with the sequence that it should get, and
// applied later. A change of leader forgets what was under way, though the Raft
// log may still have it: so a proposal may find its place taken, and is passed
// over without a word, while the one behind it finds the very sequence that it
// expects.
type model struct {
	dice     *rand.Rand
	hostile  bool       // what may go wrong does
	first    uint64     // sequence of the oldest message that was not purged
	log      []*message // applied, from sequence 1 on
	proposed []proposal // in the Raft log, not applied
	air      []*message // published, on their way to the leader
	late     []*message // and those that take long
	clseq    uint64     // sequence up to which is proposed, counting clfs
	clfs     uint64     // proposals that were refused when they were applied
	ids      map[string]uint64
	known    []string // ids that have a sequence, from the oldest on
	room     uint64   // messages that there may be, 0: any number
	refuses  bool     // ids are held against those applied once more, as servers before 2.12 do
}

type message struct {
	id     string
	expect uint64
	data   []byte
	ack    *future
}

type proposal struct {
	*message
	lseq uint64
}

func newModel(dice *rand.Rand) *model {
	return &model{dice: dice, first: 1, ids: map[string]uint64{}, refuses: dice.IntN(4) == 0}
}

func (m *model) last() uint64 { return uint64(len(m.log)) }

// chance is true once in n times while things go wrong.
func (m *model) chance(n int) bool { return m.hostile && m.dice.IntN(n) == 0 }

var (
	errWrongSequence = errors.New("model: wrong last sequence")
	errUnderWay      = errors.New("model: an equal id is under way")
	errMismatch      = errors.New("model: sequence does not match")
	errFull          = errors.New("model: no room")
)

// fly moves what is in the air: a message comes in, out of turn now and then, or
// twice, or never.
func (m *model) fly() {
	if len(m.air) == 0 {
		return
	}
	at := 0
	if m.chance(8) {
		at = m.dice.IntN(len(m.air))
	}
	p := m.air[at]
	m.air = append(m.air[:at:at], m.air[at+1:]...)
	if m.chance(12) {
		m.late = append(m.late, p)
	}
	if !m.chance(12) {
		m.receive(p)
	}
}

// arrive takes one in that was long on its way.
func (m *model) arrive() {
	if len(m.late) > 0 {
		at := m.dice.IntN(len(m.late))
		m.receive(m.late[at])
		m.late = append(m.late[:at:at], m.late[at+1:]...)
	}
}

func (m *model) receive(p *message) {
	if seq, ok := m.ids[p.id]; ok {
		if seq > 0 {
			m.answer(p, &jetstream.PubAck{Stream: "model", Sequence: seq, Duplicate: true}, nil)
		} else {
			m.answer(p, nil, errUnderWay)
		}
		return
	}
	if m.room > 0 && m.last()+1-m.first >= m.room {
		m.answer(p, nil, errFull)
		return
	}
	m.clseq = max(m.clseq, m.last()+m.clfs)
	if p.expect != m.clseq-m.clfs {
		m.answer(p, nil, errWrongSequence)
		return
	}
	m.ids[p.id] = 0
	m.proposed = append(m.proposed, proposal{p, m.clseq})
	m.clseq++
}

// apply applies the oldest proposal.
func (m *model) apply() {
	if len(m.proposed) == 0 {
		return
	}
	p := m.proposed[0]
	m.proposed = m.proposed[1:]
	switch due := m.last() + m.clfs; {
	case p.lseq < due: // passed over
	case p.lseq > due:
		m.answer(p.message, nil, errMismatch)
	case m.refuses && m.ids[p.id] > 0:
		m.clfs++
		m.answer(p.message, nil, errUnderWay)
	default:
		m.log = append(m.log, p.message)
		m.ids[p.id] = m.last()
		m.known = append(m.known, p.id)
		m.answer(p.message, &jetstream.PubAck{Stream: "model", Sequence: m.last()}, nil)
	}
}

// answer is the leader's, and may be lost.
func (m *model) answer(p *message, ack *jetstream.PubAck, err error) {
	if !p.ack.answered() && !m.chance(10) {
		p.ack.ack, p.ack.failed = ack, err
	}
}

// elect makes another server the leader. Of what the last one proposed, the end
// may be lost; the rest is applied before the new one takes messages in, or, as
// it were a slow one, after.
func (m *model) elect() {
	m.proposed = m.proposed[:m.dice.IntN(len(m.proposed)+1)]
	for id, seq := range m.ids {
		if seq == 0 {
			delete(m.ids, id)
		}
	}
	m.clseq = 0
	if m.dice.IntN(2) == 0 {
		for len(m.proposed) > 0 {
			m.apply()
		}
	}
}

// expire forgets the oldest ids, whose time is over.
func (m *model) expire() {
	n := m.dice.IntN(len(m.known) + 1)
	for _, id := range m.known[:n] {
		delete(m.ids, id)
	}
	m.known = m.known[n:]
}

// future is an answer to come.
type future struct {
	ok     chan *jetstream.PubAck
	err    chan error
	ack    *jetstream.PubAck
	failed error
}

func newFuture() *future {
	return &future{ok: make(chan *jetstream.PubAck, 1), err: make(chan error, 1)}
}

func (f *future) answered() bool { return f.ack != nil || f.failed != nil }

// come hands the answer to whoever waits.
func (f *future) come() {
	if f.failed != nil {
		f.err <- f.failed
	} else {
		f.ok <- f.ack
	}
}

func (f *future) Ok() <-chan *jetstream.PubAck { return f.ok }
func (f *future) Err() <-chan error            { return f.err }
func (f *future) Msg() *nats.Msg               { return nil }

// line is a node's connection to the model: what a lead does not call is not
// there.
type line struct {
	jetstream.JetStream
	stream *model
	wait   func() // for a while
}

func (l *line) publish(m *nats.Msg) *future {
	expect, err := strconv.ParseUint(m.Header.Get(jetstream.ExpectedLastSeqHeader), 10, 64)
	if err != nil {
		panic(err)
	}
	p := &message{m.Header.Get(jetstream.MsgIDHeader), expect, m.Data, newFuture()}
	l.stream.air = append(l.stream.air, p)
	return p.ack
}

func (l *line) PublishMsgAsync(m *nats.Msg, _ ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if l.stream.chance(500) {
		return nil, nats.ErrConnectionClosed
	}
	return l.publish(m), nil
}

func (l *line) PublishMsg(_ context.Context, m *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	f := l.publish(m)
	for range 10 {
		l.wait()
		if f.answered() {
			return f.ack, f.failed
		}
	}
	f.failed = context.DeadlineExceeded
	return nil, f.failed
}

// window is a node's view of the model, which may be late.
type window struct {
	jetstream.Stream
	stream *model
}

func (w *window) Info(context.Context, ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	last := w.stream.last()
	if w.stream.chance(4) {
		last -= min(last, w.stream.dice.Uint64N(8))
	}
	return &jetstream.StreamInfo{State: jetstream.StreamState{LastSeq: last}}, nil
}
