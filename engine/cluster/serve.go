package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// The subjects by which nodes and clients ask each other. Those of one node end
// in its name.
const (
	offerSubject  = "esc.offer."  // and the partition: a batch to its owner
	statusSubject = "esc.status." // Status
	readSubject   = "esc.read."   // readRequest
	chainSubject  = "esc.chain."  // chainRequest
	extentSubject = "esc.extent." // extent, of readRequest's partition
	beatSubject   = "esc.beat"    // heartbeat, to all
	moveSubject   = "esc.move."   // give the partitions to others
	removeSubject = "esc.remove"  // a node's name, to any: no longer a peer of JetStream's
)

type readRequest struct {
	Partition int    `json:"partition"`
	From      uint64 `json:"from"`
}

type chainRequest struct {
	Partition int    `json:"partition"`
	Index     uint64 `json:"index"`
}

type chainAnswer struct {
	Chain uint32 `json:"chain"`
	Known bool   `json:"known"`
}

// readSize is about how many bytes of records one answer holds; half of what an
// external server lets through, if that is less.
const readSize = 1 << 20

// listen answers requests, each subject on a goroutine of its own.
func (n *Node) listen() error {
	for subject, handle := range map[string]nats.MsgHandler{
		statusSubject + n.cfg.Name: func(m *nats.Msg) { answer(m, n.Status()) },
		statusSubject + "all":      func(m *nats.Msg) { answer(m, n.Status()) },
		readSubject + n.cfg.Name:   n.serveRead,
		chainSubject + n.cfg.Name:  n.serveChain,
		extentSubject + n.cfg.Name: n.serveExtent,
		moveSubject + n.cfg.Name:   n.serveMove,
		beatSubject:                n.hearing.listen,
	} {
		if err := n.subscribe(subject, handle); err != nil {
			return err
		}
	}
	for p := range n.parts {
		if err := n.subscribe(offerSubject+strconv.Itoa(p), func(m *nats.Msg) { n.serveOffer(p, m) }); err != nil {
			return err
		}
	}
	s, err := n.conn.QueueSubscribe(removeSubject, "any", n.serveRemove)
	if err != nil {
		return fmt.Errorf("cluster requests: %w", err)
	}
	n.said = append(n.said, s)
	if err := n.subscribe(n.inbox+".>", n.hearVerdict); err != nil {
		return err
	}
	return n.conn.Flush()
}

func (n *Node) subscribe(subject string, handle nats.MsgHandler) error {
	s, err := n.conn.Subscribe(subject, handle)
	if err != nil {
		return fmt.Errorf("cluster requests: %w", err)
	}
	n.said = append(n.said, s)
	return s.SetPendingLimits(-1, sendBuffer)
}

// answer responds with JSON. Who asked may be gone: then nobody minds.
func answer(m *nats.Msg, v any) {
	b, err := json.Marshal(v)
	if err == nil {
		m.Respond(b)
	}
}

// refuse responds with an error's text, in a header, so that it is not taken
// for data.
func refuse(m *nats.Msg, err error) {
	r := nats.NewMsg(m.Reply)
	r.Header.Set(errorHeader, err.Error())
	var gone *GoneError
	if errors.As(err, &gone) {
		r.Header.Set(firstHeader, strconv.FormatUint(gone.First, 10))
	}
	m.RespondMsg(r)
}

const (
	errorHeader = "Esc-Error"
	firstHeader = "Esc-First" // what is kept from, where less was asked for
)

// serveOffer takes a batch from another node, if this one owns the partition.
// Who does not is silent: the owner hears it as well.
func (n *Node) serveOffer(p int, m *nats.Msg) {
	b, err := decodeGroup(m.Data)
	if err != nil || b.origin == n.id {
		return
	}
	n.parts[p].lead.offer(offer{b, func(v verdict) { m.Respond([]byte{byte(v)}) }})
}

// send brings a batch to the owner of its partition, here or on another node.
func (n *Node) send(b group, a attempt) {
	refused := a
	refused.verdict = again
	if n.roster.owner(a.partition).Owner == n.cfg.Name {
		told := func(v verdict) {
			a.verdict = v
			n.source.tell(a)
		}
		if !n.parts[a.partition].lead.offer(offer{b, told}) {
			n.source.tell(refused)
		}
		return
	}
	reply := fmt.Sprintf("%s.%d.%d.%d", n.inbox, a.partition, a.round, a.last)
	if err := n.conn.PublishRequest(offerSubject+strconv.Itoa(a.partition), reply, b.encode()); err != nil {
		n.source.tell(refused)
	}
}

// hearVerdict takes what another node says of a batch of ours.
func (n *Node) hearVerdict(m *nats.Msg) {
	a := attempt{verdict: again}
	if len(m.Data) == 1 {
		a.verdict = verdict(m.Data[0])
	}
	if _, err := fmt.Sscanf(m.Subject[len(n.inbox):], ".%d.%d.%d", &a.partition, &a.round, &a.last); err == nil && a.partition < len(n.parts) {
		n.source.tell(a)
	}
}

func (n *Node) serveRead(m *nats.Msg) {
	var q readRequest
	if err := json.Unmarshal(m.Data, &q); err != nil || q.Partition < 0 || q.Partition >= len(n.parts) {
		refuse(m, fmt.Errorf("no such partition"))
		return
	}
	records, err := n.parts[q.Partition].replica.read(nil, max(q.From, 1), min(readSize, int(n.conn.MaxPayload()/2)))
	if err != nil {
		refuse(m, err)
		return
	}
	m.Respond(records)
}

func (n *Node) serveExtent(m *nats.Msg) {
	var q readRequest
	if err := json.Unmarshal(m.Data, &q); err != nil || q.Partition < 0 || q.Partition >= len(n.parts) {
		refuse(m, errors.New("no such partition"))
		return
	}
	answer(m, n.parts[q.Partition].replica.extent())
}

func (n *Node) serveChain(m *nats.Msg) {
	var q chainRequest
	if err := json.Unmarshal(m.Data, &q); err != nil || q.Partition < 0 || q.Partition >= len(n.parts) {
		refuse(m, errors.New("no such partition"))
		return
	}
	chain, known := n.parts[q.Partition].replica.chainAt(q.Index)
	answer(m, chainAnswer{chain, known})
}

// serveMove gives this node's partitions to others, and with them the lead of
// its streams.
func (n *Node) serveMove(m *nats.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second+n.cfg.Lease)
	defer cancel()
	if err := n.roster.handOver(ctx); err != nil {
		refuse(m, err)
		return
	}
	for p := range n.parts {
		if n.server != nil && n.server.now.Load().JetStreamIsStreamLeader("$G", streamOf(p)) {
			if err := n.server.now.Load().JetStreamStepdownStream("$G", streamOf(p)); err != nil {
				n.cfg.Logger.Warn("stream keeps its leader", "partition", p, "err", err)
			}
		}
	}
	answer(m, n.Status())
}

// Status is where a node stands.
type Status struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"`
	Replicated uint64            `json:"replicated"` // of its own log
	Durable    uint64            `json:"durable"`    // of its own log
	Full       bool              `json:"full"`       // its disk: it keeps no streams until there is room
	Current    bool              `json:"current"`    // its copy of the table and the leases: while it is not, the others need each other
	Partitions []PartitionStatus `json:"partitions"`
}

// PartitionStatus is where a node's replica of a partition stands.
type PartitionStatus struct {
	Owner   string `json:"owner"`
	Epoch   uint64 `json:"epoch"`
	Leading bool   `json:"leading"`       // this node publishes
	Leader  string `json:"stream_leader"` // "" while there is none
	State   State  `json:"state"`
	First   uint64 `json:"first"`   // record that the replica keeps, or will: those before were let go of
	Records uint64 `json:"records"` // in the partition, as far as the replica has it
	Lost    uint64 `json:"lost"`    // records that it never got: nobody had them any more
	Stream  uint64 `json:"stream"`  // last message of the stream that it has
	Chain   uint32 `json:"chain"`   // behind the last of them
	Behind  uint64 `json:"behind"`  // messages of the stream that the replica lacks, as far as this node knows
	Repairs int    `json:"repairs"` // times that the replica was made anew
}

// Status is where this node stands.
func (n *Node) Status() Status {
	s := Status{Name: n.cfg.Name, ID: fmt.Sprintf("%016x", n.id), Replicated: n.Replicated()}
	s.Full = n.server != nil && n.server.full.Load()
	s.Current = n.server == nil || n.server.now.Load().JetStreamIsStreamCurrent("$G", "KV_"+bucketName)
	if n.cfg.Source.Durable != nil {
		s.Durable = n.cfg.Source.Durable()
	}
	select {
	case <-n.joined:
	default:
		return s // and has no partitions yet
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var asked sync.WaitGroup
	s.Partitions = make([]PartitionStatus, len(n.parts))
	for p := range n.parts {
		asked.Go(func() { s.Partitions[p] = n.partitionStatus(ctx, p) })
	}
	asked.Wait()
	return s
}

func (n *Node) partitionStatus(ctx context.Context, p int) PartitionStatus {
	a, r := n.roster.owner(p), n.parts[p].replica
	r.mu.Lock()
	s := PartitionStatus{Owner: a.Owner, Epoch: a.Epoch, State: r.state, Records: r.tail.index, Chain: r.tail.chain, Repairs: r.repairs}
	s.Stream, s.First, s.Lost = r.tail.stream, r.base.index+1, r.lost
	r.mu.Unlock()
	s.Leading = n.parts[p].lead.leading.Load()
	if info, err := n.parts[p].lead.stream.Info(ctx); err == nil {
		s.Behind = info.State.LastSeq - min(s.Stream, info.State.LastSeq)
		if info.Cluster != nil {
			s.Leader = info.Cluster.Leader
		}
	}
	return s
}
