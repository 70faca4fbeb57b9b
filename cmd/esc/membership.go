package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"eventstreamcore/engine"
	"eventstreamcore/engine/cluster"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// membership is what esc serve was told of a cluster; without a name, it is a
// member of none.
type membership struct {
	cluster.Config
	peers []string // NAME=HOST:PORT
}

func newMembership() membership { return membership{Config: cluster.Default("", "")} }

func (s *settings) clusterOptions() []option {
	c := &s.cluster
	return []option{
		{key: "cluster.name", flag: "cluster", value: text(&c.Name), usage: "this node's name in a cluster, of letters, digits and dashes; empty: it stands alone and replicates nothing"},
		{key: "cluster.peers", flag: "peers", value: field[[]string]{&c.peers, asList, joined, "list"}, usage: "all nodes, this one too, as [n1=host1:6222, n2=host2:6222, n3=host3:6222]: 3, 5 or 7; empty: a cluster of this one, without a port"},
		{key: "cluster.listen_addr", value: address(&c.Listen), usage: "address to listen at for the peers, HOST:PORT, where that is not this node's own among them; empty: that one"},
		{key: "cluster.client_addr", value: address(&c.Client), usage: "address for esc cluster and esc tail --cluster, HOST:PORT; empty: with peers any port of loopback, else none"},
		{key: "cluster.certs", value: text(&c.Certs), usage: "folder that esc cluster certs made; needed with peers or a client address"},
		{key: "cluster.nats_url", flag: "nats-url", value: text(&c.URL), usage: "an external NATS cluster with JetStream, nats://HOST:PORT, instead of peers; with certs, by their TLS and key"},
		{key: "cluster.partitions", value: count(&c.Partitions), usage: "ways that topics are dealt out, the same for the cluster's whole life: 1 to 64"},
		{key: "cluster.lease", value: span(&c.Lease), usage: "how long a node may be silent before its partitions go to others: 1s to 1m"},
		{key: "cluster.store_bytes", value: size(&c.StoreBytes), usage: "cap of this node's streams on disk: 64MiB to 16TiB"},
		{key: "cluster.retain_bytes", value: size(&c.RetainBytes), usage: "oldest records go when this node's replica logs are larger together, each by its share, of which 4MiB stay: 4MiB to 16TiB; 0 keeps all"},
		{key: "cluster.retain_age", value: span(&c.RetainAge), usage: "records go from this node's replica logs when they are older, by whole segments; 0s keeps all"},
		{key: "cluster.memory_bytes", value: size(&c.MemoryBytes), usage: "cap of the memory of the NATS server's own stores: 16MiB to 64GiB"},
	}
}

// complete is the configuration of the node, but for its log.
func (m *membership) complete(data string) (cluster.Config, error) {
	cfg := m.Config
	cfg.Dir = filepath.Join(data, "cluster")
	for _, p := range m.peers {
		name, at, ok := strings.Cut(p, "=")
		if !ok {
			return cfg, fmt.Errorf("cluster.peers: %q: write NAME=HOST:PORT", p)
		}
		cfg.Peers = append(cfg.Peers, cluster.Peer{Name: strings.TrimSpace(name), Address: strings.TrimSpace(at)})
	}
	return cfg, nil
}

func (m *membership) validate(mode store.Mode) error {
	alone := m.Config // what each option may be, whatever the others are
	alone.Name, alone.Dir, alone.Listen, alone.Client, alone.Certs, alone.URL = "n1", ".", "", "", "", ""
	if err := alone.Validate(); err != nil {
		return err
	}
	cfg, err := m.complete(".")
	switch {
	case err != nil:
		return err
	case cfg.Name == "" && (len(cfg.Peers) > 0 || cfg.Listen != "" || cfg.Client != "" || cfg.URL != ""):
		return together{errors.New("cluster.name is empty, and others of its section are set: name this node (--cluster)")}
	case cfg.Name == "":
		return nil
	case mode == store.OS:
		return together{errors.New("cluster.name is set and log.mode is os: what is never synced is never replicated; use group or interval")}
	}
	if err := cfg.Validate(); err != nil {
		return together{err}
	}
	return nil
}

// watermark is where an engine learns what is replicated, if it is to be.
func (m *membership) watermark() *process.Watermark {
	if m.Name == "" {
		return nil
	}
	return new(process.Watermark)
}

// join makes the engine's log part of a cluster, until leave.
func (s *settings) join(e *engine.Engine, cfg engine.Config) (leave func() error, err error) {
	if s.cluster.Name == "" {
		return func() error { return nil }, nil
	}
	node, err := s.cluster.complete(s.data)
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	node.Logger = cfg.Logger
	node.Source = cluster.Source{Dir: cfg.Log.Dir, Durable: e.Durable, Replicated: func(to uint64) {
		cfg.Replicated.Advance(to)
		e.Release(to + 1)
	}}
	n, err := cluster.Start(node)
	if errors.Is(err, cluster.ErrRefused) {
		return nil, usage("%w: see cluster.nats_url and cluster.certs", err)
	} else if err != nil {
		return nil, err
	}
	s.admin.Registry = new(metrics.Registry)
	s.admin.Registry.Add(n.Readings)
	go func() {
		<-n.Joined()
		cfg.Logger.Info("joined the cluster", "node", node.Name)
	}()
	return n.Close, nil
}
