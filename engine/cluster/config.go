// Package cluster is what is beyond one machine: events that a majority of
// nodes has on its disks, and what goes on when one of them dies.
//
// It takes the position that consensus is not to be written again. A NATS
// server with JetStream is compiled in and keeps, for each partition of the
// topics, a stream with three replicas; what is here is what a log of events
// needs on top. The engine's hot path never waits for any of it: a node follows
// its own log, once synced, and hands what it finds to the partition's owner,
// which alone publishes to the stream. A message expects the one before it
// under its sequence, so an owner that was given up for dead cannot publish
// behind its successor's back; it carries, for every node, how far that node's
// log is in the stream, so nothing is stored twice however often it is sent; and
// a chain of checksums over all records, so every node can tell that its own
// replica is the one that the others have.
//
// It does not shard by load, does not grow by itself, and does not order events
// between partitions. Membership is a list that the operator writes.
package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"eventstreamcore/engine/store"
)

// Peer is a node and the address by which the others reach it, HOST:PORT.
type Peer struct{ Name, Address string }

// Config is what a Node is started with. Default fills what has a default.
type Config struct {
	Name   string // this node's: letters, digits, dashes
	Dir    string // folder for identity, streams and replicas; made if missing
	Peers  []Peer // all nodes, this one too, 3, 5 or 7; none: this one alone, in the process
	Listen string // where the peers are listened to, HOST:PORT, if that is not this node's address among them
	Client string // where clients are listened to, HOST:PORT; "": with peers at a port of loopback, else nowhere
	Certs  string // folder that MakeCerts filled; needed wherever a port is opened
	URL    string // an external cluster's nats://..., instead of a server in the process

	// Partitions is how many ways topics are dealt out: 1 to 64, default 4, and
	// the same for the cluster's whole life. Each is a stream with an owner of its
	// own; few bound what can be spread, many cost each node files and elections.
	Partitions int

	StoreBytes  int64         // cap of this node's streams on disk: 64 MiB to 16 TiB, default 16 GiB
	RetainBytes int64         // oldest records go when this node's replicas are larger together, each by its share, but 4 MiB stay: 4 MiB to 16 TiB; 0, the default, keeps all
	RetainAge   time.Duration // records go when they are older; 0, the default, keeps all. Both by whole segments of a log

	MemoryBytes int64 // cap of the server's memory store: 16 MiB to 64 GiB, default 64 MiB

	// Lease is how long a node may be silent before its partitions go to
	// others: 1 s to 1 min, default 3 s. A pause of that length moves ownership.
	Lease time.Duration

	Source Source
	Logger *slog.Logger `json:"-"` // default slog.Default
}

// Source is the node's own log, which is what it brings to the cluster. A node
// without a Dir brings nothing: it only keeps what others bring.
type Source struct {
	Dir     string        // the log's folder
	Durable func() uint64 `json:"-"` // last sequence that no power cut takes back

	// Replicated, if set, is told how far the log is on the disks of a majority:
	// all events up to that sequence. It only rises, and must not block.
	Replicated func(sequence uint64) `json:"-"`
}

// Default is the configuration of a node that stands alone.
func Default(name, dir string) Config {
	return Config{Name: name, Dir: dir, Partitions: 4, StoreBytes: 16 << 30, MemoryBytes: 64 << 20, Lease: 3 * time.Second}
}

// Validate says what is wrong, naming the field, or returns nil.
func (c Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

func (c Config) validate() error {
	switch {
	case !plainName(c.Name):
		return fmt.Errorf("name %q: use 1 to 32 letters, digits and dashes", c.Name)
	case c.Dir == "":
		return errors.New("folder is missing: name one for the node's streams and replicas")
	case c.Partitions < 1 || c.Partitions > 64:
		return fmt.Errorf("partitions: %d must be 1 to 64", c.Partitions)
	case c.StoreBytes < 64<<20 || c.StoreBytes > 16<<40:
		return fmt.Errorf("store_bytes: %d must be 64MiB to 16TiB", c.StoreBytes)
	case c.MemoryBytes < 16<<20 || c.MemoryBytes > 64<<30:
		return fmt.Errorf("memory_bytes: %d must be 16MiB to 64GiB", c.MemoryBytes)
	case c.RetainBytes != 0 && (c.RetainBytes < replicaLeast || c.RetainBytes > 16<<40):
		return fmt.Errorf("retain_bytes: %d must be 0, or 4MiB to 16TiB", c.RetainBytes)
	case c.RetainAge < 0:
		return fmt.Errorf("retain_age: %v must be 0s or more", c.RetainAge)
	case c.Lease < time.Second || c.Lease > time.Minute:
		return fmt.Errorf("lease: %v must be 1s to 1m", c.Lease)
	case c.Source.Dir != "" && c.Source.Durable == nil:
		return errors.New("source: a log needs Durable: what is not synced may not leave the node")
	}
	return c.validatePeers()
}

func (c Config) validatePeers() error {
	if c.URL != "" && (len(c.Peers) > 0 || c.Client != "") {
		return errors.New("an external cluster's URL goes without peers and without a client address")
	}
	if (len(c.Peers) > 0 || c.Client != "") && c.Certs == "" {
		return errors.New("certs are missing: a port is opened only with certificates: esc cluster certs makes a set")
	}
	if n := len(c.Peers); n > 1 && (n%2 == 0 || n > 7) {
		return fmt.Errorf("peers: %d nodes: use 3, 5 or 7, so that there is a majority to lose some", n)
	}
	for i, p := range c.Peers {
		if _, _, err := net.SplitHostPort(p.Address); err != nil || !plainName(p.Name) {
			return fmt.Errorf("peer %s=%s: write NAME=HOST:PORT", p.Name, p.Address)
		}
		if slices.ContainsFunc(c.Peers[:i], func(o Peer) bool { return o.Name == p.Name || o.Address == p.Address }) {
			return fmt.Errorf("peer %s=%s: its name or its address is there twice", p.Name, p.Address)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); c.Listen != "" && (err != nil || len(c.Peers) == 0) {
		return fmt.Errorf("listen_addr %q: write HOST:PORT, beside peers", c.Listen)
	}
	if len(c.Peers) > 0 && !slices.ContainsFunc(c.Peers, func(p Peer) bool { return p.Name == c.Name }) {
		return fmt.Errorf("name %q is not among the peers", c.Name)
	}
	return nil
}

// plainName reports whether a name can stand in a subject and in a file's name.
func plainName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// replicaLeast is what a replica keeps at the least, where there is a limit.
const replicaLeast = segmentsLeast * store.SegmentBytesMin

// keeps is what each replica of this node keeps.
func (c Config) keeps() retention {
	share := c.RetainBytes / int64(c.Partitions)
	if c.RetainBytes > 0 {
		share = max(share, replicaLeast)
	}
	return retention{share, c.RetainAge}
}

// replicas is how many nodes keep each stream.
func (c Config) replicas() int {
	if len(c.Peers) == 0 && c.URL == "" {
		return 1
	}
	return 3
}
