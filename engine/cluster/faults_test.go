package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/store"
)

// What befalls nodes in the simulation: processes that end and start again, power
// cuts, disks that rot or are lost, replicas that let their oldest records go, a
// node that the operator removes.

// ending is how a process ends.
type ending int

const (
	asked  ending = iota // and writes down where it was
	killed               // what it has written stays
	cut                  // what its disk had not synced may not
)

// fell is a process that ends, on a node that does not wait for something.
func (w *world) fell(n *member, how ending) {
	if n.busy || n.away {
		return
	}
	n.away, n.reigns, n.knows, n.resumed, n.looks = true, false, false, false, looks{}
	n.furthest = n.source.read
	if w.dice.IntN(2) == 0 {
		n.verdicts = nil
	}
	r := n.replica
	r.closeReader()
	if r.log != nil {
		w.check(r.log.Close())
		if how == asked {
			w.note(n, r.standing())
		}
	}
	if how == cut {
		w.cutPower(n)
	}
}

// fellMost ends all processes at once, or all but one, while nobody waits for
// anything. The stream's own servers keep what they have synced.
func (w *world) fellMost(how ending) {
	if w.depth > 0 {
		return
	}
	spared := w.dice.IntN(2 * members)
	for i, n := range w.nodes {
		if i != spared {
			w.fell(n, how)
		}
	}
	w.stream.elect()
}

// start is a process that starts.
func (w *world) start(n *member) {
	if n.away && !n.removed {
		n.away = false
		w.build(n)
	}
}

// sync is a disk that has all that its node wrote.
func (w *world) sync(n *member) {
	n.durable = len(n.log)
	if r := n.replica; r.log != nil {
		n.safe, n.synced = r.standing(), written{r.log, r.log.Counts().Bytes}
	}
}

// written is how much of a log was, since it was opened.
type written struct {
	log   *store.Log
	bytes uint64
}

// unsynced is about how much of a replica's log a power cut may take.
func (n *member) unsynced() int64 {
	if n.replica.log == nil {
		return 0
	}
	all := int64(n.replica.log.Counts().Bytes)
	if n.synced.log == n.replica.log {
		all -= int64(n.synced.bytes)
	}
	return all
}

// note writes down where a replica is known to have been.
func (w *world) note(n *member, at tail) {
	n.placed, _ = os.ReadFile(n.replica.dir + placeSuffix)
	n.replica.note(at)
	n.replica.noted = time.Now().Add(time.Hour) // when it is, happens by chance here
}

// cutPower takes of what was not synced some, or all.
func (w *world) cutPower(n *member) {
	n.log = n.log[:n.durable+w.dice.IntN(len(n.log)-n.durable+1)]
	switch file := n.replica.dir + placeSuffix; w.dice.IntN(4) {
	case 0:
		os.Remove(file)
	case 1:
		w.check(os.WriteFile(file, n.placed, 0o600))
	case 2:
		w.check(os.WriteFile(file, nil, 0o600))
	}
	if name, end := lastWritten(n.replica.dir); name != "" {
		least := max(segmentHead, end-n.unsynced())
		w.check(overwrite(name, least+w.dice.Int64N(end-least+1), end, 0))
	}
}

const segmentHead = 4096 // bytes of a segment, before its first group

// lastWritten is the last segment of a log that holds something, and where that
// ends or a little behind.
func lastWritten(dir string) (name string, end int64) {
	segments, _ := filepath.Glob(filepath.Join(dir, "*.seg")) // in order
	for i := len(segments) - 1; i >= 0; i-- {
		b, _ := os.ReadFile(segments[i])
		if used := len(bytes.TrimRight(b, "\x00")); used > segmentHead {
			return segments[i], int64(min(used+8, len(b)))
		}
	}
	return "", 0
}

// overwrite puts the same byte all over a stretch of a file.
func overwrite(name string, from, to int64, with byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{with}, int(to-from)), from)
	return errors.Join(err, f.Close())
}

// spared reports whether some other node has all that the stream has no longer: of
// a partition that only one has, nothing may befall the one.
func (w *world) spared(n *member) bool {
	for _, o := range w.nodes {
		r := o.replica
		if o != n && !o.away && r.log != nil && !r.adrift && r.known() == nil && o.safe.stream+1 >= w.stream.first && r.standing().stream+1 >= w.stream.first {
			return true
		}
	}
	return false
}

// rot is a record that no longer reads: found while it is read, or at the next
// start.
func (w *world) rot(n *member) {
	if n.busy || n.replica.log == nil || !w.spared(n) {
		return
	}
	n.rotten = true
	if w.dice.IntN(2) == 0 {
		n.replica.condemn(errors.New("a record does not read"))
		return
	}
	w.fell(n, killed)
	if name, end := lastWritten(n.replica.dir); name != "" {
		at := segmentHead + w.dice.Int64N(end-segmentHead)
		w.check(overwrite(name, at, at+1, 0xa5))
	}
}

// bereave is a disk that is lost with all that was on it: what comes back is another
// node, of the same name.
func (w *world) bereave(n *member) {
	if n.busy || !w.spared(n) {
		return
	}
	w.fell(n, killed)
	w.check(os.RemoveAll(n.dir))
	w.origins++
	n.origin, n.log, n.durable, n.placed, n.furthest, n.settled = w.origins, nil, 0, nil, 0, 0
}

// remove takes one node away for good, with what only it knew.
func (w *world) remove(n *member) {
	if n.busy || n.away || w.depth > 0 || !w.spared(n) {
		return
	}
	for _, o := range w.nodes {
		if o.removed || o != n && (o.away || !w.spared(o)) {
			return
		}
	}
	w.fell(n, asked)
	n.removed = true
	w.appoint()
}

// appoint makes some node the owner.
func (w *world) appoint() {
	for w.epoch++; ; {
		if w.owner = w.dice.IntN(members); !w.nodes[w.owner].removed {
			return
		}
	}
}

// letGo lets a replica's oldest segments go.
func (w *world) letGo(n *member) {
	r := n.replica
	if w.payload == 0 || r.log == nil || r.has.index == 0 {
		return
	}
	segments, _ := filepath.Glob(filepath.Join(r.dir, "*.seg"))
	for i, name := range segments[1:] {
		first, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".seg"), 10, 64)
		if err != nil || first <= r.kept() || first > n.safe.index || first > r.has.index || w.dice.IntN(2) == 0 {
			continue
		}
		if !w.flaw.baseless {
			w.check(r.restOn(first - 1))
		}
		w.released = max(w.released, first-1)
		for _, gone := range segments[:i+1] {
			os.Remove(gone)
		}
		return
	}
}

// follow lets a replica do something with its log, as far as it has one that reads.
func (w *world) follow(n *member, do func(r *replica) error) {
	r := n.replica
	err := r.known()
	if err == nil && r.log == nil {
		if err = r.open(); err == nil {
			n.safe, n.synced = r.standing(), written{log: r.log}
		}
		if w.flaw.forgetful {
			r.forget()
		}
		if w.flaw.countless {
			r.end.counts, r.tail.counts = 0, 0
		}
	}
	if err == nil {
		r.enter(Following)
		err = do(r)
		if r.log != nil {
			err = errors.Join(err, r.commit())
		}
	}
	if errors.Is(err, errDamaged) {
		if !n.rotten {
			w.fail("replica %s is made anew, though nothing befell its disk: %w", n.name, err)
		}
		n.rotten = false
	}
	if err = r.heal(err); r.log == nil {
		n.safe = tail{}
	}
	if err != nil && !errors.Is(err, errGone) && !errors.Is(err, errFeed) {
		w.fail("replica %s: %w", n.name, err)
	}
}

// resume lets a source go on from where the stream has its log.
func (w *world) resume(n *member) {
	if n.resumed {
		return
	}
	mark, err := n.replica.mark(over, n.origin)
	if err != nil {
		return
	}
	if w.flaw.resumesAhead {
		mark = max(mark, min(n.furthest, uint64(len(n.log))))
	}
	if mark > uint64(n.durable) {
		w.fail("the stream has the log of %s up to %d, its disk up to %d", n.name, mark, n.durable)
	}
	n.source.read, n.source.parts[0].sent, n.resumed = mark, mark, true
}

// survey is what a node says of its replica.
func (w *world) survey(_ context.Context, node string) (extent, bool) {
	for _, n := range w.nodes {
		if n.name == node && !n.away && !w.stream.chance(10) {
			e := n.replica.extent()
			if w.flaw.readOnly {
				e.Last = max(n.replica.standing().index, n.replica.base.index)
			}
			return e, true
		}
	}
	return extent{}, false
}

// shelfOf is the stream as a feed reads it.
type shelfOf struct{ *model }

func (s shelfOf) read(from uint64, visit func(stream uint64, data []byte) error) (last uint64, err error) {
	if from < s.first || from > s.last() {
		return 0, fmt.Errorf("%w: message %d", errFeed, from)
	}
	for at := from; at <= s.last(); at++ {
		if err := visit(at, s.log[at-1].data); err != nil {
			return last, err
		}
		last = at
	}
	return last, nil
}

// state is the stream's: each message counts as one byte.
func (m *model) state() *jetstream.StreamState {
	n := m.last() + 1 - m.first
	return &jetstream.StreamState{FirstSeq: m.first, LastSeq: m.last(), Msgs: n, Bytes: n}
}
