package cluster

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"
)

// circle is nodes that hear each other, but for what is kept from them, by a clock
// of its own.
type circle struct {
	t     *testing.T
	now   time.Time
	lease time.Duration
	nodes map[string]*hearing
	deaf  func(from, to string) bool
	dead  map[string]bool // neither says nor hears anything
}

func newCircle(t *testing.T, names ...string) *circle {
	c := &circle{t: t, now: time.Now(), lease: 3 * time.Second, nodes: map[string]*hearing{}, dead: map[string]bool{}, deaf: func(string, string) bool { return false }}
	for _, name := range names {
		h := newHearing(name, c.lease, nil)
		h.any, h.since = c.now, c.now
		c.nodes[name] = h
	}
	return c
}

// pass lets time go by, a beat at a time.
func (c *circle) pass(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); {
		c.now = c.now.Add(c.lease / beatsInLease)
		for _, from := range slices.Sorted(maps.Keys(c.nodes)) {
			if c.dead[from] {
				continue
			}
			text := c.nodes[from].beat(c.now)
			for to, h := range c.nodes {
				var b heartbeat
				if err := json.Unmarshal(text, &b); err != nil {
					c.t.Fatal(err)
				}
				if to != from && !c.dead[to] && !c.deaf(from, to) {
					h.hear(&b, c.now)
				}
			}
		}
	}
}

// expect holds who is gone, in the eyes of one, against who should be.
func (c *circle) expect(when, of string, want ...string) {
	c.t.Helper()
	var got []string
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		if name != of && c.nodes[of].gone(name, c.now) {
			got = append(got, name)
		}
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("%s: to %s, %v are gone, want %v", when, of, got, want)
	}
}

func TestWhoIsNotHeardIsGone(t *testing.T) {
	c := newCircle(t, "a", "b", "c")
	c.pass(10 * time.Second)
	for name := range c.nodes {
		c.expect("all are there", name)
	}
	c.dead["a"] = true
	c.pass(c.lease)
	c.expect("within a lease", "b")
	c.pass(time.Second)
	c.expect("a died", "b", "a")
	c.expect("a died", "c", "a")
	c.expect("a died, and heard nothing for so long", "a")
	c.dead["a"] = false
	c.pass(time.Second)
	for name := range c.nodes {
		c.expect("a is back", name)
	}
}

// TestWhoIsNotHeardByOneIsThere: a cut link, and a node that hears all and is heard
// by one alone, leave everybody there.
func TestWhoIsNotHeardByOneIsThere(t *testing.T) {
	c := newCircle(t, "a", "b", "c")
	c.deaf = func(from, to string) bool { return from+to == "ab" || from+to == "ba" }
	c.pass(20 * time.Second)
	for name := range c.nodes {
		c.expect("a and b do not hear each other", name)
	}
	c.deaf = func(from, to string) bool { return from+to == "ab" }
	c.pass(20 * time.Second)
	c.expect("b does not hear a", "b")
	c.deaf = func(from, _ string) bool { return from == "a" }
	c.pass(2 * c.lease)
	c.expect("nobody hears a", "b", "a")
	c.expect("nobody hears a, which hears all", "a")
}

// TestWhoHeardNobodyJudgesNobody: not while it does not, nor for a lease after.
func TestWhoHeardNobodyJudgesNobody(t *testing.T) {
	c := newCircle(t, "a", "b", "c")
	c.pass(10 * time.Second)
	c.deaf = func(_, to string) bool { return to == "a" }
	for range 20 {
		c.pass(500 * time.Millisecond)
		c.expect("a hears nobody", "a")
	}
	c.dead["c"] = true
	c.deaf = func(string, string) bool { return false }
	for c.pass(500 * time.Millisecond); c.now.Sub(c.nodes["a"].since) <= c.lease; c.pass(500 * time.Millisecond) {
		c.expect("a hears b again", "a")
	}
	c.expect("c died meanwhile", "a", "c")
}
