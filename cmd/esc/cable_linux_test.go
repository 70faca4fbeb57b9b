package main

import (
	"io"
	"net"
	"sync"
	"testing"

	"eventstreamcore/engine/cluster"
)

// cable is what two nodes hear each other by: proxies of their routes, in both
// directions, that can be cut, or be made to pass nothing on, and be healed.
type cable struct {
	mu      sync.Mutex
	changed sync.Cond
	cut     bool
	silent  map[int]bool // by node: what it says does not arrive
	conns   map[net.Conn]bool
}

func newCable() *cable {
	c := &cable{silent: map[int]bool{}, conns: map[net.Conn]bool{}}
	c.changed.L = &c.mu
	return c
}

// plug is a new address at which node from reaches node to, who listens at the
// address given.
func (c *cable) plug(t *testing.T, from, to int, address string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		c.set(true)
	})
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go c.splice(near, from, to, address)
		}
	}()
	return l.Addr().String()
}

func (c *cable) splice(near net.Conn, from, to int, address string) {
	far, err := net.Dial("tcp", address)
	if err != nil {
		near.Close()
		return
	}
	c.mu.Lock()
	if c.conns[near], c.conns[far] = true, true; c.cut {
		near.Close()
		far.Close()
	}
	c.mu.Unlock()
	go c.pass(far, near, from)
	c.pass(near, far, to)
	c.mu.Lock()
	delete(c.conns, near)
	delete(c.conns, far)
	c.mu.Unlock()
}

// pass hands on what a node says, unless that is not to arrive.
func (c *cable) pass(dst io.WriteCloser, src io.ReadCloser, from int) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		c.mu.Lock()
		for c.silent[from] && !c.cut {
			c.changed.Wait()
		}
		c.mu.Unlock()
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// set cuts the cable, which breaks all connections off, or heals it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			conn.Close()
		}
	}
	c.changed.Broadcast()
}

// mute keeps back what a node says, while its connections stand.
func (c *cable) mute(node int, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[node] = silent
	c.changed.Broadcast()
}

// cables are those between the nodes of a fleet: of a and b, under a+b.
type cables map[int]*cable

// cabled lays a fleet whose nodes reach each other by cables alone. What a node
// tells of its own address leads nowhere.
func cabled(t *testing.T) (*fleet, cables) {
	t.Helper()
	f := layFleet(t)
	nowhere, err := cluster.FreeAddresses(len(f.layout.Nodes))
	if err != nil {
		t.Fatal(err)
	}
	between := cables{}
	for i, n := range f.layout.Nodes {
		peers := "ESC_CLUSTER_PEERS="
		for j, other := range f.layout.Nodes {
			address := nowhere[i]
			if i != j {
				if between[i+j] == nil {
					between[i+j] = newCable()
				}
				address = between[i+j].plug(t, i, j, other.Route)
			}
			if j > 0 {
				peers += ","
			}
			peers += other.Name + "=" + address
		}
		f.own[i] = []string{peers, "ESC_CLUSTER_LISTEN_ADDR=" + n.Route}
	}
	return f, between
}

// of are the cables that end at a node.
func (all cables) of(node int) (its []*cable) {
	for i := range 3 {
		if i != node {
			its = append(its, all[i+node])
		}
	}
	return its
}

// isolate cuts a node off from all others, or heals that.
func (all cables) isolate(node int, cut bool) {
	for _, c := range all.of(node) {
		c.set(cut)
	}
}
