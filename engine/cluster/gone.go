package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// What becomes of a replica that needs records which nobody has any more: it
// begins where the others do, or where the stream does, and says so. The records
// before are beyond what the cluster keeps; a partition that nobody serves would
// be worse.

// extent is which records a replica has, and the chain that the first rests on.
type extent struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"` // before First: none
	Chain uint32 `json:"chain"`
	Known bool   `json:"known"` // it has read them
}

func (r *replica) extent() extent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return extent{r.base.index + 1, max(r.tail.index, r.base.index, r.holds), r.base.chain, r.state != Checking}
}

// hasNow notes what the log has, though the replica may not know yet where that
// stands in the stream, and so does not serve it.
func (r *replica) hasNow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds = r.has.index
}

// anew says that a replica's log can only go on behind a gap.
type anew struct {
	lacking uint64 // first record that is gone
	behind  bound  // the last
}

func (a *anew) Error() string {
	return fmt.Sprintf("records %d to %d are gone", a.lacking, a.behind.index)
}

// absentWait is how long members are waited for that do not answer: one of them
// may have what nobody else has. Most must answer, however long that takes.
const absentWait = time.Minute

// outlive decides what to do without records that nobody gives, of which the
// first is next: wait for who may have them, or begin later.
func (r *replica) outlive(ctx context.Context, l *landing, gone error) error {
	next := r.has.index + 1
	if r.goneSince.IsZero() {
		r.goneSince = time.Now()
	}
	others, known := r.others()
	if !known {
		return gone
	}
	all := r.extents(ctx, others)
	silent := len(others) - len(all)
	if silent > 0 && ((len(all)+1)*2 <= len(others)+1 || time.Since(r.goneSince) < absentWait) {
		return gone
	}
	var from bound
	for _, e := range all {
		if e.First <= next && next <= e.Last {
			return gone // it has them, and does not serve just now
		}
		if e.First > next && e.Last >= l.group.index-1 && (from.index == 0 || e.First <= from.index) {
			from = bound{e.First - 1, e.Chain}
		}
	}
	if from.index == 0 {
		var err error
		if from, err = r.streamBegins(ctx, l); err != nil {
			return err
		}
	}
	return &anew{next, from}
}

// extents asks other nodes what they have; who does not know is left out.
func (r *replica) extents(ctx context.Context, others []string) (all []extent) {
	for _, node := range others {
		if e, answers := r.survey(ctx, node); answers && e.Known {
			all = append(all, e)
		}
	}
	return all
}

// survey asks a node what its replica has.
func (f *feed) survey(ctx context.Context, node string) (e extent, answers bool) {
	request, err := json.Marshal(readRequest{Partition: f.number})
	if err != nil {
		return e, false
	}
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	m, err := f.conn.RequestWithContext(ctx, extentSubject+node, request)
	return e, err == nil && m.Header.Get(errorHeader) == "" && json.Unmarshal(m.Data, &e) == nil
}

// errFound ends the search for where the stream begins.
var errFound = errors.New("found")

// streamBegins is where the stream's records begin: with the first message, of
// those from l on, that the next one rests on; a message that counts for nobody
// has none that does.
func (r *replica) streamBegins(ctx context.Context, l *landing) (from bound, err error) {
	var end tail
	_, err = r.feed.read(ctx, l.stream, func(stream uint64, data []byte) error {
		g, err := decodeGroup(data)
		if err != nil {
			return fmt.Errorf("stream message %d: %w", stream, err)
		}
		if end.stream > 0 && end.goesOn(&g) {
			return errFound
		}
		from = bound{g.index - 1, g.before}
		before := tail{stream: stream - 1, index: g.index - 1, marks: g.marks}
		if g.origin != 0 {
			before.marks = g.marks.with(g.origin, g.prev)
		}
		end = before.after(&g)
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return from, err
}

// begin makes the replica's log one that begins behind what is gone. What it had
// before that, nobody else keeps: with a limit to what is kept it goes, and else
// stays beside.
func (r *replica) begin(a *anew) error {
	r.logger.Error("no stream nor any node has these records any more: the replica begins behind them", "from", a.lacking, "to", a.behind.index)
	aside, err := r.moveAside("outdated")
	if err == nil && r.keeps != (retention{}) {
		err = os.RemoveAll(aside)
	}
	if err == nil {
		err = os.MkdirAll(r.dir, 0o777)
	}
	if err == nil {
		err = writeBase(r.dir, a.behind)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.lost += a.behind.index + 1 - a.lacking
	r.mu.Unlock()
	r.goneSince = time.Time{}
	return nil
}
