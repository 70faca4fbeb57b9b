package workloads

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"eventstreamcore/engine/cluster"
	"eventstreamcore/engine/store"
)

// trio is a cluster of three processes on loopback, as esc cluster start runs
// it, whose folder goes when it is closed.
type trio struct {
	dir    string
	self   string
	start  *exec.Cmd
	client *cluster.Client
	read   map[int]uint64 // records of each partition that were looked at

	mu    sync.Mutex
	nodes []trioNode
	pids  map[string]int // by name
	said  []string       // the last that the processes wrote
}

// trioNode is one of its processes.
type trioNode struct {
	name, frames, client string
	again                *exec.Cmd // after it was killed
}

const (
	trioNodes    = 3
	trioPatience = 90 * time.Second
	trioLook     = 50 * time.Millisecond // between two looks at what it waits for
	saidKept     = 20
)

func newTrio(b *Bench) (t *trio, err error) {
	t = &trio{self: b.Self, read: map[int]uint64{}, pids: map[string]int{}}
	if t.dir, err = os.MkdirTemp(b.Disk, "trio-"); err != nil {
		return nil, err
	}
	if err := t.begin(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// begin starts the processes and waits until all of them take part.
func (t *trio) begin() error {
	t.start = exec.Command(t.self, "cluster", "start", "--nodes", fmt.Sprint(trioNodes), "--dir", t.dir)
	out, err := t.start.StdoutPipe()
	if err != nil {
		return err
	}
	messages, err := t.start.StderrPipe()
	if err != nil {
		return err
	}
	if err := t.start.Start(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	go t.listen(out, t.introduce)
	go t.listen(messages, t.note)
	if err := t.until("the nodes run", t.running); err != nil {
		return err
	}
	if err := t.until("a client is let in", t.dial); err != nil {
		return err
	}
	return t.until("all nodes take part", t.settled)
}

func (t *trio) listen(from io.Reader, hear func(string)) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		t.mu.Lock()
		hear(lines.Text())
		t.mu.Unlock()
	}
}

// introduce takes a node from a line "n1 frames HOST:PORT client HOST:PORT".
func (t *trio) introduce(line string) {
	var n trioNode
	if _, err := fmt.Sscanf(line, "%s frames %s client %s", &n.name, &n.frames, &n.client); err == nil {
		t.nodes = append(t.nodes, n)
	}
}

// note keeps what is said, and takes a node's process from "esc: n1 is process 7".
func (t *trio) note(line string) {
	t.said = append(t.said, line)
	t.said = t.said[max(0, len(t.said)-saidKept):]
	var name string
	var pid int
	if _, err := fmt.Sscanf(line, "esc: %s is process %d", &name, &pid); err == nil {
		t.pids[name] = pid
	}
}

// until waits for ok.
func (t *trio) until(what string, ok func() bool) error {
	for deadline := time.Now().Add(trioPatience); !ok(); time.Sleep(trioLook) {
		if time.Now().After(deadline) {
			t.mu.Lock()
			defer t.mu.Unlock()
			return fmt.Errorf("cluster: not within %v: %s; it said last: %s", trioPatience, what, strings.Join(t.said, " / "))
		}
	}
	return nil
}

func (t *trio) running() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.nodes) == trioNodes && len(t.pids) == trioNodes
}

func (t *trio) dial() (ok bool) {
	var clients []string
	for _, n := range t.nodes {
		clients = append(clients, n.client)
	}
	var err error
	t.client, err = cluster.Dial(clients, filepath.Join(t.dir, "certs"))
	return err == nil
}

// call bounds a question to the cluster.
func call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), trioPatience)
}

func (t *trio) statuses() []cluster.Status {
	ctx, cancel := call()
	defer cancel()
	all, err := t.client.Statuses(ctx)
	if err != nil {
		return nil
	}
	return all
}

// settled reports whether all nodes are there, follow, and have the same.
func (t *trio) settled() bool {
	all := t.statuses()
	if len(all) != trioNodes {
		return false
	}
	for _, s := range all {
		if len(s.Partitions) == 0 || len(s.Partitions) != len(all[0].Partitions) {
			return false
		}
		for p, part := range s.Partitions {
			if part.State != cluster.Following || part.Leader == "" || part.Behind > 0 || part.Records != all[0].Partitions[p].Records {
				return false
			}
		}
	}
	return true
}

// frames are where events are taken.
func (t *trio) frames() (addresses []string) {
	for _, n := range t.nodes {
		addresses = append(addresses, n.frames)
	}
	return addresses
}

// busiest is the node that leads the stream that has the most records.
func (t *trio) busiest() (node int, err error) {
	all := t.statuses()
	if len(all) == 0 {
		return 0, errors.New("cluster: no status")
	}
	most := slices.MaxFunc(all[0].Partitions, func(a, b cluster.PartitionStatus) int { return int(a.Records) - int(b.Records) })
	for i, n := range t.nodes {
		if n.name == most.Leader {
			return i, nil
		}
	}
	return 0, errors.New("cluster: no leader")
}

// kill ends a node's process, as a power cut would.
func (t *trio) kill(i int) error {
	if again := t.nodes[i].again; again != nil {
		err := again.Process.Kill()
		_ = again.Wait() // killed
		t.nodes[i].again = nil
		return err
	}
	p, err := os.FindProcess(t.pids[t.nodes[i].name])
	if err != nil {
		return err
	}
	return p.Kill()
}

// revive starts a killed node.
func (t *trio) revive(i int) error {
	c := exec.Command(t.self, "serve", "--config", filepath.Join(t.dir, t.nodes[i].name, "node.yaml"))
	t.nodes[i].again = c
	return c.Start()
}

// audit looks for the events that were answered, id by id: each is there once,
// and all nodes have the same. wrong says what is not so.
func (t *trio) audit(producer uint32, answered []bool) (wrong string, err error) {
	if err := t.until("all nodes have the same", t.settled); err != nil {
		return "", err
	}
	ctx, cancel := call()
	defer cancel()
	all := t.statuses()
	seen := make([]byte, len(answered))
	for p := range all[0].Partitions {
		visit := func(e *store.Entry) error {
			if i := e.ID&(1<<40-1) - 1; e.ID>>40 == uint64(producer) && i < uint64(len(seen)) {
				seen[i] = min(seen[i]+1, 2)
			}
			return nil
		}
		for n := -1; n != 0; t.read[p] += uint64(n) {
			if n, err = t.client.Read(ctx, t.nodes[0].name, p, t.read[p]+1, visit); err != nil {
				return "", err
			}
		}
		a, err := t.client.Agree(ctx, p, all)
		if err != nil || a.Different {
			return fmt.Sprintf("partition %d: the replicas differ behind record %d", p, a.Index), err
		}
	}
	return tally(answered, seen), nil
}

// tally is what of the answered events is not there, or twice; "" if all is well.
func tally(answered []bool, seen []byte) string {
	asked, lost, twice := 0, 0, 0
	for i, was := range answered {
		if was {
			asked++
			if seen[i] == 0 {
				lost++
			}
		}
		if seen[i] > 1 {
			twice++
		}
	}
	if lost > 0 || twice > 0 || asked == 0 {
		return fmt.Sprintf("of %d events answered %d are lost and %d there twice", asked, lost, twice)
	}
	return ""
}

// close ends the processes.
func (t *trio) close() (err error) {
	if t.client != nil {
		err = t.client.Close()
	}
	for i := range t.nodes {
		if t.nodes[i].again != nil {
			err = errors.Join(err, t.kill(i))
		}
	}
	if t.start != nil && t.start.Process != nil {
		_ = t.start.Process.Signal(os.Interrupt) // it ends its nodes; a killed one is its error, and none here
		_ = t.start.Wait()
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}
