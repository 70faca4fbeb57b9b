package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// insistent is a client that keeps at it: it sends transactions, each with an id
// of its own, asks that each be replicated, and sends what was not answered to
// the next node when one breaks off or is silent.
type insistent struct {
	t         *testing.T
	addresses []string
	rate      int // events a second
	manner    manner
	done      chan struct{}
	ended     sync.WaitGroup

	mu      sync.Mutex
	open    map[uint64]bool // sent, not answered
	acked   map[uint64]bool // replicated, by the answer
	by      map[string]int  // how many were answered, by address
	refused map[wire.Reason]int
	next    uint64
	last    time.Time     // when an answer came last
	outage  time.Duration // the longest time without one
}

// manner is how events are sent: so that each is stored once, or not.
type manner struct {
	priority event.Priority
	times    int
}

var (
	careful  = manner{event.Medium, 1} // its lane dedups
	careless = manner{event.High, 2}
)

const (
	insistentSilence = 1500 * time.Millisecond // then another node is asked
	insistentOpen    = 4000
	insistentTopics  = 16
)

func insist(t *testing.T, addresses []string, rate int, m manner) *insistent {
	c := &insistent{t: t, addresses: addresses, rate: rate, manner: m, done: make(chan struct{}), open: map[uint64]bool{}, acked: map[uint64]bool{}, by: map[string]int{}, refused: map[wire.Reason]int{}, last: time.Now()}
	c.ended.Go(c.run)
	return c
}

func (c *insistent) run() {
	for at := 0; ; at++ {
		select {
		case <-c.done:
			return
		default:
		}
		conn, err := net.DialTimeout("tcp", c.addresses[at%len(c.addresses)], time.Second)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		c.session(conn)
		conn.Close()
	}
}

// session sends until the connection breaks, or is silent, or all is over.
func (c *insistent) session(conn net.Conn) {
	broken := make(chan struct{})
	go func() {
		defer close(broken)
		c.listen(conn)
	}()
	c.mu.Lock()
	again := slices.Sorted(maps.Keys(c.open))
	c.mu.Unlock()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for c.send(conn, again); ; {
		select {
		case <-broken:
			return
		case <-c.done:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		var ids []uint64
		due := int(time.Since(began).Seconds()*float64(c.rate)) - sent
		for ; due > 0 && len(c.open) < insistentOpen; due-- {
			c.next++
			c.open[7<<40|c.next] = true
			ids = append(ids, 7<<40|c.next)
		}
		sent += len(ids)
		silent := len(c.open) > 0 && time.Since(began) > insistentSilence && time.Since(c.last) > insistentSilence
		c.mu.Unlock()
		if c.send(conn, ids) != nil || silent {
			return
		}
	}
}

func (c *insistent) send(conn net.Conn, ids []uint64) error {
	var b []byte
	for _, id := range ids {
		f := wire.Frame{Version: wire.V2, Flags: wire.WithLevel(wire.LevelReplicated), ID: id, Priority: c.manner.priority,
			Topic: fmt.Appendf(nil, "orders/%d", id%insistentTopics), Payload: fmt.Appendf(nil, "order %d", id)}
		for range c.manner.times {
			b = f.Append(b)
		}
	}
	conn.SetWriteDeadline(time.Now().Add(insistentSilence))
	_, err := conn.Write(b)
	return err
}

func (c *insistent) listen(conn net.Conn) {
	var held []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		held = append(held, buf[:n]...)
		for {
			a, status := wire.DecodeAnswer(held)
			if status != wire.OK {
				break
			}
			held = held[wire.AnswerSize:]
			c.hear(a, conn.RemoteAddr().String())
		}
		if err != nil {
			return
		}
	}
}

func (c *insistent) hear(a wire.Answer, from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.Outcome != wire.Replicated && a.Outcome != wire.Duplicate {
		c.refused[a.Reason]++
		return
	}
	if c.open[a.ID] {
		delete(c.open, a.ID)
		c.acked[a.ID] = true
		c.by[from]++
	}
	c.outage = max(c.outage, time.Since(c.last))
	c.last = time.Now()
}

// answered is how many events were, so far.
func (c *insistent) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acked)
}

// answeredBy is how many one node answered, so far.
func (c *insistent) answeredBy(address string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[address]
}

// restart begins to count the longest time without an answer anew, and is what
// it was.
func (c *insistent) restart() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := max(c.outage, time.Since(c.last))
	c.outage, c.last = 0, time.Now()
	return was
}

// stop ends it, and is what must be in the cluster.
func (c *insistent) stop() map[uint64]bool {
	close(c.done)
	c.ended.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.acked)
}
