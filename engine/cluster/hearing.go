package cluster

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// hearing is what a node hears of the others from themselves, beside the leases in
// the bucket. Those are not heard of while the bucket has no leader, and what it
// says then is old: a node that died, and led the bucket, was found silent an
// election later than any other.
//
// Each node says every so often that it is there, and how long ago it heard whom,
// so that two between whom a link is cut hear of each other from a third. Only what
// was heard from a node itself is passed on, so no word goes in circles; it is
// passed on as an age, so no clocks are compared. A node that heard nobody for a
// while was paused, or cut off: then it judges nobody by that while.
type hearing struct {
	name  string
	lease time.Duration
	say   func(beat []byte) error

	mu    sync.Mutex
	heard map[string]time.Time // from itself
	known map[string]time.Time // from itself or another
	any   time.Time            // when anybody was heard last
	since time.Time            // from when on this node heard
}

// heartbeat is what a node says.
type heartbeat struct {
	From  string                   `json:"from"`
	Heard map[string]time.Duration `json:"heard"` // ago
}

// beatsInLease is how many heartbeats fit into a lease: a few may go astray.
const beatsInLease = 6

func newHearing(name string, lease time.Duration, say func([]byte) error) *hearing {
	now := time.Now()
	return &hearing{name: name, lease: lease, say: say, heard: map[string]time.Time{}, known: map[string]time.Time{}, any: now, since: now}
}

// run says that this node is there until ctx is done.
func (h *hearing) run(ctx context.Context) {
	tick := time.NewTicker(h.lease / beatsInLease)
	defer tick.Stop()
	for {
		_ = h.say(h.beat(time.Now())) // what is not said is not heard: the next may be
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *hearing) beat(now time.Time) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := heartbeat{From: h.name, Heard: map[string]time.Duration{}}
	for name, at := range h.heard {
		if ago := now.Sub(at); ago < h.lease {
			b.Heard[name] = ago
		}
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // names and numbers
	}
	return text
}

// listen takes what another node says.
func (h *hearing) listen(m *nats.Msg) {
	var b heartbeat
	if json.Unmarshal(m.Data, &b) == nil && b.From != h.name {
		h.hear(&b, time.Now())
	}
}

func (h *hearing) hear(b *heartbeat, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deaf(now) {
		h.since = now
	}
	h.any, h.heard[b.From], h.known[b.From] = now, now, now
	for name, ago := range b.Heard {
		if at := now.Add(-max(ago, 0)); at.After(h.known[name]) {
			h.known[name] = at
		}
	}
}

// deaf reports whether nobody was heard for so long that it may be this node's
// own fault.
func (h *hearing) deaf(now time.Time) bool { return now.Sub(h.any) > h.lease*2/3 }

// gone reports whether a node was heard by nobody for a lease, as far as this node
// was told by those that it hears.
func (h *hearing) gone(name string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.deaf(now) && now.Sub(h.since) > h.lease && now.Sub(h.known[name]) > h.lease
}
