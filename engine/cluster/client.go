package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"eventstreamcore/engine/store"
)

// Client speaks to a cluster from outside. Its methods may be called from any
// goroutine; each is bounded by its context.
type Client struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

// Dial connects to any of the addresses, HOST:PORT each, with the client's
// certificate from a folder that MakeCerts filled; or, without such a folder, to
// an external cluster's URLs. It is ErrRefused if those credentials are.
func Dial(addresses []string, certs string) (*Client, error) {
	options := []nats.Option{nats.Name("esc"), nats.Timeout(handshake * time.Second), nats.MaxReconnects(-1), nats.ReconnectWait(retryPause)}
	if certs != "" {
		creds, err := loadCredentials(certs, clientName)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(creds.tls), creds.user().option())
	}
	conn, err := dial(strings.Join(addresses, ","), options...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(callWait))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Client{conn: conn, js: js}, nil
}

// Close ends the connection.
func (c *Client) Close() error {
	c.conn.Close()
	return nil
}

func (c *Client) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := insist(ctx, func(ctx context.Context) (jetstream.KeyValue, error) { return c.js.KeyValue(ctx, bucketName) })
	if err != nil {
		return nil, fmt.Errorf("cluster state: %w: is there a majority?", err)
	}
	return kv, nil
}

// Table is who is a member and who owns what.
func (c *Client) Table(ctx context.Context) (Table, error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return Table{}, err
	}
	t, _, err := readTable(ctx, kv)
	return t, err
}

// Statuses is where each node stands that answers within a second, by name.
func (c *Client) Statuses(ctx context.Context) (all []Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	inbox, err := c.conn.SubscribeSync(c.conn.NewInbox())
	if err != nil {
		return nil, err
	}
	defer inbox.Unsubscribe()
	if err := c.conn.PublishRequest(statusSubject+"all", inbox.Subject, nil); err != nil {
		return nil, err
	}
	for {
		m, err := inbox.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) {
			break
		} else if err != nil {
			return nil, err
		}
		var s Status
		if err := json.Unmarshal(m.Data, &s); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

const statusWait = 1500 * time.Millisecond

// Agreement is how the nodes' replicas of a partition compare at the last
// record that all of those that answered have.
type Agreement struct {
	Index     uint64            `json:"index"`
	Chains    map[string]uint32 `json:"chains"` // by node; who no longer remembers is left out
	Different bool              `json:"different"`
}

// Agree compares the replicas of a partition.
func (c *Client) Agree(ctx context.Context, partition int, nodes []Status) (a Agreement, err error) {
	a = Agreement{Index: ^uint64(0), Chains: map[string]uint32{}}
	for _, s := range nodes {
		if partition < len(s.Partitions) && s.Partitions[partition].State == Following {
			a.Index = min(a.Index, s.Partitions[partition].Records)
		}
	}
	for _, s := range nodes {
		var known chainAnswer
		b, err := json.Marshal(chainRequest{partition, a.Index})
		if err == nil {
			b, err = c.ask(ctx, chainSubject+s.Name, b)
		}
		if err == nil {
			err = json.Unmarshal(b, &known)
		}
		if err != nil {
			return a, err
		}
		if !known.Known {
			continue
		}
		for _, other := range a.Chains {
			a.Different = a.Different || other != known.Chain
		}
		a.Chains[s.Name] = known.Chain
	}
	return a, nil
}

// ErrNotServed says that a node is not there, or does not do what it was asked
// for; another may.
var ErrNotServed = errors.New("not served")

// ask asks one node.
func (c *Client) ask(ctx context.Context, subject string, b []byte) ([]byte, error) {
	m, err := c.conn.RequestWithContext(ctx, subject, b)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("%w: node %s is not there: esc cluster status lists those that are", ErrNotServed, subject[strings.LastIndexByte(subject, '.')+1:])
	}
	if err != nil {
		return nil, err
	}
	why := m.Header.Get(errorHeader)
	if first, err := strconv.ParseUint(m.Header.Get(firstHeader), 10, 64); err == nil {
		return nil, &GoneError{First: first}
	}
	if why != "" {
		return nil, fmt.Errorf("%w: %s", ErrNotServed, why)
	}
	return m.Data, nil
}

// StepDown makes a node give its partitions, and the lead of their streams, to
// others: before it is stopped, or to spread them anew.
func (c *Client) StepDown(ctx context.Context, node string) error {
	_, err := c.ask(ctx, moveSubject+node, nil)
	return err
}

// Read reads records of a partition from an index on, from one node's replica,
// and is how many there were: none yet, at its end. They are checked once more.
// With a *GoneError the node no longer keeps them.
func (c *Client) Read(ctx context.Context, node string, partition int, from uint64, visit func(*store.Entry) error) (n int, err error) {
	b, err := json.Marshal(readRequest{partition, from})
	if err == nil {
		b, err = c.ask(ctx, readSubject+node, b)
	}
	var gone *GoneError
	if errors.As(err, &gone) {
		gone.Partition, gone.From = partition, from
	}
	if err != nil {
		return 0, err
	}
	for ; len(b) > 0; n++ {
		var e store.Entry
		size, err := e.Decode(b)
		if err == nil && e.Sequence != from+uint64(n) {
			err = fmt.Errorf("record %d instead of %d", e.Sequence, from+uint64(n))
		}
		if err == nil {
			err = visit(&e)
		}
		if err != nil {
			return n, err
		}
		b = b[size:]
	}
	return n, nil
}

// ErrChanged says that a key was changed since the revision given.
var ErrChanged = errors.New("the key was changed meanwhile: read it again")

// Set puts a value under a key of the cluster's shared state, if the key is
// still at the revision given (0: not there yet), and is its new revision.
func (c *Client) Set(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return 0, err
	}
	next, err := kv.Update(ctx, stateKey("set", key), value, revision)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, ErrChanged
	}
	return next, err
}

// Get is a key's value and revision; 0 if it was never set.
func (c *Client) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return nil, 0, err
	}
	e, err := entry(ctx, kv, stateKey("set", key))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	} else if err != nil {
		return nil, 0, err
	}
	return e.Value(), e.Revision(), nil
}

// Dedup reports whether the key is new to the cluster: of all who come with it
// within the time it is kept, 1 s or more, one is told so.
func (c *Client) Dedup(ctx context.Context, key string, keep time.Duration) (first bool, err error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return false, err
	}
	_, err = kv.Create(ctx, stateKey("dedup", key), nil, jetstream.KeyTTL(keep))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	return err == nil, err
}

// stateKey makes a key of any text, of which the bucket takes not all.
func stateKey(kind, key string) string { return kind + "." + hex.EncodeToString([]byte(key)) }
