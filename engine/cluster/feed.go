package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// feed reads a partition's stream from any place on: what the server in this
// process has from there, and what it has not, from whoever has a copy. It keeps
// no state in any server, so there is nothing to recover when one of them dies.
// Where there is nothing next, the owner rings when there is.
type feed struct {
	conn   *nats.Conn
	number int
	shelf  shelved     // nil: no server is in this process
	bells  chan uint64 // capacity 1: how far the stream is stored
	inbox  *nats.Subscription
	reads  uint64        // so far: each has a subject of its own, by which late answers to one before it are known
	stored atomic.Uint64 // how far the stream is, as the next ring will say
	rings  atomic.Bool   // there will be one
}

// shelved is what a shelf is to a feed.
type shelved interface {
	read(from uint64, visit func(stream uint64, data []byte) error) (last uint64, err error)
}

const (
	feedBatch = 64       // messages in one read
	feedBytes = 16 << 20 // and about their bytes
	feedWait  = time.Second
	feedRing  = 5 * time.Millisecond // from the first message that is stored to the bell for it and what follows: one a message cost as much as reading it
)

// settledSubject, and the partition: how far its stream is stored.
const settledSubject = "esc.settled."

func newFeed(conn *nats.Conn, number int) (f *feed, err error) {
	f = &feed{conn: conn, number: number, bells: make(chan uint64, 1)}
	if f.inbox, err = conn.SubscribeSync(conn.NewInbox() + ".*"); err != nil {
		return nil, err
	}
	if err = f.inbox.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	_, err = conn.Subscribe(settledSubject+strconv.Itoa(number), func(m *nats.Msg) {
		if to, err := strconv.ParseUint(string(m.Data), 10, 64); err == nil {
			select {
			case <-f.bells: // an older one
			default:
			}
			f.bells <- to
		}
	})
	return f, err
}

// ring tells all nodes, soon, that the stream is stored up to a message. If one
// does not hear, it looks by itself in time.
func (f *feed) ring(stream uint64) {
	f.stored.Store(stream)
	if f.rings.CompareAndSwap(false, true) {
		time.AfterFunc(feedRing, func() {
			f.rings.Store(false) // before the load: what is stored from here on rings anew
			f.conn.Publish(settledSubject+strconv.Itoa(f.number), strconv.AppendUint(nil, f.stored.Load(), 10))
		})
	}
}

var errFeed = errors.New("nobody reads the stream out")

// read calls visit for messages from the one given on, and is the last it saw;
// 0 if there was none. What visit is called with dies with the next call.
func (f *feed) read(ctx context.Context, from uint64, visit func(stream uint64, data []byte) error) (last uint64, err error) {
	if f.shelf != nil {
		if last, err = f.shelf.read(from, visit); last > 0 || err != nil {
			return last, err
		}
	}
	return f.request(ctx, from, visit)
}

// request is read, of what any server that has a copy answers. An answer whose
// middle was lost on its way, as when a route breaks off under it, ends before the
// gap: each of its messages names the one before it.
func (f *feed) request(ctx context.Context, from uint64, visit func(stream uint64, data []byte) error) (last uint64, err error) {
	reply, err := f.ask(from)
	if err != nil {
		return 0, err
	}
	for {
		m, err := f.next(ctx, reply)
		if err != nil {
			return last, fmt.Errorf("%w: %w", errFeed, err)
		}
		status := m.Header.Get("Status")
		switch status {
		case "", "204": // a message; that was all
		case "404": // there is none
			return last, nil
		default:
			return last, fmt.Errorf("%w: status %s %s", errFeed, status, m.Header.Get("Description"))
		}
		if before, err := strconv.ParseUint(m.Header.Get("Nats-Last-Sequence"), 10, 64); err != nil || before != last {
			return last, fmt.Errorf("%w: what came behind message %d was lost on its way", errFeed, last)
		}
		if status == "204" {
			return last, nil
		}
		at, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return last, fmt.Errorf("%w: a message without its place", errFeed)
		}
		if err := visit(at, m.Data); err != nil {
			return last, err
		}
		last = at
	}
}

// ask asks for what comes next, and is where it will come.
func (f *feed) ask(from uint64) (reply string, err error) {
	request, err := json.Marshal(map[string]uint64{"seq": from, "batch": feedBatch, "max_bytes": feedBytes})
	if err != nil {
		return "", err
	}
	f.reads++
	reply = strings.TrimSuffix(f.inbox.Subject, "*") + strconv.FormatUint(f.reads, 10)
	return reply, f.conn.PublishRequest("$JS.API.DIRECT.GET."+streamOf(f.number), reply, request)
}

// next is the next message of an answer.
func (f *feed) next(ctx context.Context, reply string) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	for {
		m, err := f.inbox.NextMsgWithContext(ctx)
		if err != nil || m.Subject == reply {
			return m, err
		}
	}
}
