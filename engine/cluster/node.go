package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Node is a member of a cluster: it keeps replicas, owns partitions when it is
// its turn, and brings in its own log.
type Node struct {
	cfg     Config
	id      uint64
	server  *resident // nil with an external cluster
	conn    *nats.Conn
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	roster  *roster
	hearing *hearing
	parts   []partition
	source  *source // of a node without a log, it sends nothing
	inbox   string  // where the owners' verdicts come: its id is in it, for a name may be another node's after a disk was lost

	joined chan struct{}
	stop   context.CancelFunc
	works  sync.WaitGroup
	said   []*nats.Subscription
	mu     sync.Mutex
	gone   bool
}

type partition struct {
	replica *replica
	lead    *lead
}

// Start starts a node and returns once its own part runs. What it takes of
// others, a majority, may come later: see Joined.
func Start(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	id, err := identify(cfg.Dir, cfg.Name)
	if err != nil {
		return nil, err
	}
	creds := credentials{secret: rand.Text()}
	if cfg.Certs != "" {
		name := cfg.Name
		if cfg.URL != "" {
			name = clientName
		}
		if creds, err = loadCredentials(cfg.Certs, name); err != nil {
			return nil, err
		}
	}
	n := &Node{cfg: cfg, id: id, joined: make(chan struct{}), inbox: fmt.Sprintf("esc.verdict.%s.%016x", cfg.Name, id)}
	n.source = newSource(id, cfg.Source, cfg.Partitions, cfg.Logger)
	n.source.send = n.send
	if cfg.URL == "" {
		if n.server, err = newResident(&n.cfg, creds); err != nil {
			return nil, err
		}
	}
	if n.conn, err = connect(&cfg, n.server, creds); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.works.Go(func() { n.join(ctx) })
	if n.server != nil {
		n.works.Go(func() { n.server.watch(ctx) })
	}
	return n, nil
}

// identity is what a data folder knows of itself.
type identity struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
}

// identify reads who this node is, or makes it someone. The id is drawn at
// random, so that an emptied folder comes back as another node, whose sequences
// nobody takes for the old one's.
func identify(dir, name string) (uint64, error) {
	file := filepath.Join(dir, "node.json")
	b, err := os.ReadFile(file)
	var who identity
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &who); err != nil || who.ID == 0 {
			return 0, fmt.Errorf("%s does not say who this node is: restore it, or start with an empty folder", file)
		}
		if who.Name != name {
			return 0, fmt.Errorf("%s is the folder of node %s, not of %s: name its own", dir, who.Name, name)
		}
		return who.ID, nil
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("cluster folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("cluster folder: %w", err)
	}
	var random [8]byte
	rand.Read(random[:])
	who = identity{ID: le.Uint64(random[:]) | 1, Name: name}
	if b, err = json.Marshal(who); err == nil {
		err = writeSynced(file, append(b, '\n'))
	}
	return who.ID, err
}

// writeSynced makes a file with all of b in it, or none.
func writeSynced(file string, b []byte) error {
	f, err := os.Create(file + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(file+".new", file); err != nil || runtime.GOOS == "windows" { // where folders are not synced
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Joined is closed once the node has found a majority and takes part.
func (n *Node) Joined() <-chan struct{} { return n.joined }

// join waits for a majority, makes what is not there yet, and goes to work.
func (n *Node) join(ctx context.Context) {
	for told := ""; ctx.Err() == nil; pause(ctx, retryPause) {
		err := n.prepare(ctx)
		if err == nil {
			break
		}
		if n.cfg.URL == "" || errors.Is(err, context.DeadlineExceeded) {
			n.cfg.Logger.Debug("no majority yet", "err", err)
		} else if err.Error() != told { // it answers, and says no
			told = err.Error()
			n.cfg.Logger.Error("not joined: an external cluster wants three servers with JetStream", "url", shown(n.cfg.URL), "err", err)
		}
	}
	if ctx.Err() != nil {
		return
	}
	for p := range n.parts {
		n.works.Go(func() { n.parts[p].replica.run(ctx) })
		n.works.Go(func() { n.parts[p].lead.run(ctx) })
	}
	n.works.Go(func() { n.hearing.run(ctx) })
	n.works.Go(func() { n.roster.run(ctx) })
	n.works.Go(func() { n.retain(ctx) })
	if err := n.listen(); err != nil {
		n.cfg.Logger.Error("cluster requests are not answered", "err", err)
	}
	close(n.joined)
	if n.cfg.Source.Dir != "" {
		n.replicate(ctx)
	}
}

// prepare makes the streams and the table's bucket, or finds them.
func (n *Node) prepare(ctx context.Context) (err error) {
	if most := n.conn.MaxPayload(); most < maxMessage { // one longer event would stop its partition
		return fmt.Errorf("max_payload of the server is %d, and must be %d or more", most, maxMessage)
	}
	if n.js, err = jetstream.New(n.conn, jetstream.WithPublishAsyncTimeout(callWait), jetstream.WithDefaultTimeout(callWait)); err != nil {
		return err
	}
	if n.kv, err = n.bucket(ctx); err != nil {
		return fmt.Errorf("cluster bucket: %w", err)
	}
	n.parts = nil
	n.hearing = newHearing(n.cfg.Name, n.cfg.Lease, func(b []byte) error { return n.conn.Publish(beatSubject, b) })
	n.roster = &roster{name: n.cfg.Name, lease: n.cfg.Lease, kv: n.kv, logger: n.cfg.Logger, parts: n.cfg.Partitions, moved: n.assigned, expelled: n.stop, gone: n.hearing.gone, heard: map[string]beat{}}
	for _, p := range n.cfg.Peers {
		n.roster.peers = append(n.roster.peers, p.Name)
	}
	var streams []jetstream.Stream
	for number := range n.cfg.Partitions {
		stream, err := n.stream(ctx, number)
		if err != nil {
			return fmt.Errorf("stream of partition %d: %w", number, err)
		}
		streams = append(streams, stream)
	}
	for number, stream := range streams {
		feed, err := newFeed(n.conn, number)
		if err != nil {
			return fmt.Errorf("feed of partition %d: %w", number, err)
		}
		if n.server != nil {
			feed.shelf = &shelf{resident: n.server, stream: streamOf(number)}
		}
		r := newReplica(number, n.cfg.Dir, stream, feed, n.cfg.Logger)
		r.others, r.lend, r.survey, r.keeps = n.roster.others, feed.lend, feed.survey, n.cfg.keeps()
		n.parts = append(n.parts, partition{r, newLead(n.cfg.Name, number, n.js, stream, r, feed.ring, n.cfg.Logger)})
	}
	return nil
}

// A request that comes before there is a leader is never answered: so each is
// given up soon, and made again.
const (
	joinWait   = time.Second
	bucketName = "ESC"
)

func (n *Node) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	kv, err := n.js.KeyValue(ctx, bucketName)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = n.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucketName, Replicas: n.cfg.replicas(), History: 1, LimitMarkerTTL: time.Minute})
	}
	return kv, err
}

func (n *Node) stream(ctx context.Context, number int) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	stream, err := n.js.Stream(ctx, streamOf(number))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = n.js.CreateStream(ctx, n.streamConfig(number))
	}
	return stream, err
}

// streamConfig: what is stored is never changed nor dropped for what is newer.
func (n *Node) streamConfig(number int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamOf(number), Subjects: []string{subjectOf(number)}, Replicas: n.cfg.replicas(),
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew, AllowDirect: true, Duplicates: duplicatesFor, MaxMsgSize: maxMessage,
	}
}

// duplicatesFor is how long JetStream knows a message by its id: for the repeats
// of one connection, beside the marks, which need no time.
const duplicatesFor = 10 * time.Second

// assigned tells a partition's lead whether it is this node's turn.
func (n *Node) assigned(p int, a Assignment) {
	if p >= len(n.parts) {
		return
	}
	if a.Owner == n.cfg.Name {
		n.parts[p].lead.assign(&a.Epoch)
	} else {
		n.parts[p].lead.assign(nil)
	}
	n.source.tell(attempt{partition: p, round: anyRound, verdict: again})
}

// replicate brings the node's own log in.
func (n *Node) replicate(ctx context.Context) {
	for p := range n.parts {
		for {
			mark, err := n.parts[p].replica.mark(ctx, n.id)
			if err == nil {
				n.source.parts[p].sent = mark
				break
			}
			if ctx.Err() != nil {
				return
			}
			pause(ctx, retryPause)
		}
	}
	n.source.run(ctx)
}

// Replicated is how far the node's own log is on the disks of a majority: all
// of it up to that sequence.
func (n *Node) Replicated() uint64 { return n.source.reached.Load() }

// Close leaves the cluster: partitions go to others at once, not when the lease
// ends.
func (n *Node) Close() error {
	n.mu.Lock()
	gone := n.gone
	n.gone = true
	n.mu.Unlock()
	if gone {
		return nil
	}
	if n.stop != nil {
		n.stop()
	}
	n.works.Wait()
	for _, s := range n.said {
		s.Unsubscribe()
	}
	if n.conn != nil {
		n.conn.Close()
	}
	if n.server != nil {
		n.server.end()
	}
	return nil
}
