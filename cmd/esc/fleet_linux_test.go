package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/engine/store"
)

// fleet is a cluster of processes under load.
type fleet struct {
	t       *testing.T
	dir     string
	layout  layout
	self    string
	own     [][]string // by node, what it is told by its environment
	nodes   []*exec.Cmd
	client  *cluster.Client
	manner  manner
	traffic *insistent
}

func newFleet(t *testing.T, rate int) *fleet {
	t.Helper()
	f := layFleet(t)
	f.launch(rate)
	return f
}

// layFleet is a fleet that is still to be launched.
func layFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), self: self(t), manner: careful}
	var err error
	if f.layout, err = layOut(startFlags{dir: f.dir, nodes: 3}); err != nil {
		t.Fatal(err)
	}
	f.nodes, f.own = make([]*exec.Cmd, len(f.layout.Nodes)), make([][]string, len(f.layout.Nodes))
	return f
}

// launch starts the nodes and the traffic, and returns once events are answered.
func (f *fleet) launch(rate int) {
	f.t.Helper()
	var frames []string
	w := whereabouts{dir: f.dir}
	for i, n := range f.layout.Nodes {
		f.start(i)
		frames = append(frames, n.Frames)
	}
	f.until("a client is let in", patience, func() (ok bool) {
		var err error
		w.clients = nil
		f.client, err = w.dial()
		return err == nil
	})
	f.t.Cleanup(func() { f.client.Close() })
	f.until("all nodes lead or follow", patience, func() bool { return f.settled(0, 1, 2) })
	f.traffic = insist(f.t, frames, rate, f.manner)
	f.until("events are answered", patience, func() bool { return f.traffic.answered() > 100 })
	f.traffic.restart()
}

func (f *fleet) start(i int) {
	f.t.Helper()
	name := f.layout.Nodes[i].Name
	c := exec.Command(f.self, "serve", "--config", filepath.Join(f.dir, name, "node.yaml"))
	messages, err := os.OpenFile(filepath.Join(f.dir, name, "messages"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		f.t.Fatal(err)
	}
	defer messages.Close()
	c.Stdout, c.Stderr, c.Env = messages, messages, append(os.Environ(), f.own[i]...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves no cluster behind
	if err := c.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.nodes[i] = c
	f.t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
}

// kill ends nodes as a power cut of each would end its processes.
func (f *fleet) kill(nodes ...int) {
	for _, i := range nodes {
		f.nodes[i].Process.Signal(syscall.SIGKILL)
	}
	for _, i := range nodes {
		f.nodes[i].Wait()
	}
}

// until waits for ok, and is how long that took.
func (f *fleet) until(what string, most time.Duration, ok func() bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > most {
			f.lament()
			f.t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// lament shows the ends of what the nodes said.
func (f *fleet) lament() {
	for _, n := range f.layout.Nodes {
		b, _ := os.ReadFile(filepath.Join(f.dir, n.Name, "messages"))
		f.t.Logf("%s:\n%s", n.Name, b[max(0, len(b)-3000):])
	}
}

// complete reports whether the nodes answer, follow, and lack nothing that the
// streams have.
func (f *fleet) complete(nodes ...int) bool { return f.all(len(nodes), whole) }

// settled reports whether they are complete, and have the table, too: what breaks
// then breaks alone.
func (f *fleet) settled(nodes ...int) bool {
	return f.all(len(nodes), func(s *cluster.Status) bool { return whole(s) && s.Current })
}

// whole reports whether a node lacks nothing that the streams have.
func whole(s *cluster.Status) bool {
	return len(s.Partitions) > 0 && !slices.ContainsFunc(s.Partitions, func(p cluster.PartitionStatus) bool {
		return p.State != cluster.Following || p.Leader == "" || p.Behind >= 50
	})
}

// all reports whether so many nodes answer that are as they should be.
func (f *fleet) all(nodes int, is func(*cluster.Status) bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), clusterCall)
	defer cancel()
	statuses, err := f.client.Statuses(ctx)
	if err != nil {
		return false
	}
	for i := range statuses {
		if is(&statuses[i]) {
			nodes--
		}
	}
	return nodes <= 0
}

// leader is the node that leads the most streams.
func (f *fleet) leader() (best int) {
	f.t.Helper()
	leads := map[string]int{}
	f.until("all streams have a leader", patience, func() bool {
		clear(leads)
		statuses, err := f.client.Statuses(context.Background())
		if err != nil || len(statuses) == 0 {
			return false
		}
		for _, p := range statuses[0].Partitions {
			leads[p.Leader]++
		}
		return leads[""] == 0
	})
	for i, n := range f.layout.Nodes {
		if leads[n.Name] > leads[f.layout.Nodes[best].Name] {
			best = i
		}
	}
	return best
}

// flows waits until events are answered again.
func (f *fleet) flows() {
	f.t.Helper()
	had := f.traffic.answered()
	f.until("events are answered again", 2*recoveryMax, func() bool { return f.traffic.answered() > had+200 })
}

// audit stops the traffic and looks for every event, on every node: each that
// was answered once, and none twice.
func (f *fleet) audit() { f.auditOn(0, 1, 2) }

// auditOn is the audit of a cluster of these nodes.
func (f *fleet) auditOn(nodes ...int) {
	f.t.Helper()
	f.until("all is answered", 2*recoveryMax, func() bool {
		f.traffic.mu.Lock()
		defer f.traffic.mu.Unlock()
		if len(f.traffic.open) < insistentOpen {
			f.traffic.rate = 0
		}
		return len(f.traffic.open) == 0
	})
	acked := f.traffic.stop()
	f.until("all nodes have all", settleMax, func() bool { return f.settled(nodes...) })
	for _, i := range nodes {
		name := f.layout.Nodes[i].Name
		if lost, twice := f.count(name, acked); lost > 0 || twice > 0 || len(acked) == 0 {
			f.t.Errorf("%s: %d of %d events lost, %d there twice", name, lost, len(acked), twice)
		}
	}
	v, err := viewCluster(context.Background(), f.client)
	if err != nil || v.fault() != nil {
		f.t.Errorf("at the end: %v, %v", err, v.fault())
	}
	f.intact()
}

// intact fails if a replica was made anew: nothing here damages one.
func (f *fleet) intact() {
	f.t.Helper()
	statuses, err := f.client.Statuses(context.Background())
	if err != nil {
		f.t.Error(err)
	}
	for _, s := range statuses {
		for p, at := range s.Partitions {
			if at.Repairs > 0 {
				f.t.Errorf("%s: its replica of partition %d was made anew %d times", s.Name, p, at.Repairs)
			}
		}
	}
}

// count holds what a node has against what was answered.
func (f *fleet) count(node string, acked map[uint64]bool) (lost, twice int) {
	f.t.Helper()
	seen := map[uint64]int{}
	for p := range newMembership().Partitions {
		f.read(node, p, func(e *store.Entry) { seen[e.ID]++ })
	}
	for id := range acked {
		if seen[id] == 0 {
			lost++
		}
	}
	for _, times := range seen {
		if times > 1 {
			twice++
		}
	}
	f.t.Logf("%s: %d events answered, %d stored, lost %d, twice %d", node, len(acked), len(seen), lost, twice)
	return lost, twice
}

// read visits all that a node's replica of a partition holds.
func (f *fleet) read(node string, partition int, visit func(*store.Entry)) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), recoveryMax)
	defer cancel()
	for from := uint64(1); ; {
		n, err := f.client.Read(ctx, node, partition, from, func(e *store.Entry) error {
			visit(e)
			return nil
		})
		if err != nil {
			f.t.Fatalf("reading partition %d of %s from %d: %v", partition, node, from, err)
		}
		if n == 0 {
			return
		}
		from += uint64(n)
	}
}
