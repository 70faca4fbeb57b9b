package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Remove takes a node out of the cluster for good: it is refused when it comes
// back, no longer waited for, and no peer of JetStream's any more, whose streams
// get another copy where there is a node that has none. It must have been stopped.
// What was interrupted can be done again.
func (c *Client) Remove(ctx context.Context, node string) (left []string, err error) {
	if left, err = c.strike(ctx, node); err != nil {
		return left, err
	}
	m, err := c.conn.RequestWithContext(ctx, removeSubject, []byte(node))
	if err == nil && m.Header.Get(errorHeader) != "" {
		err = errors.New(m.Header.Get(errorHeader))
	}
	if err != nil {
		return left, fmt.Errorf("node %s is no member any more, but JetStream counts it still: %w: remove it again", node, err)
	}
	return left, nil
}

// strike takes a node off the table.
func (c *Client) strike(ctx context.Context, node string) (left []string, err error) {
	kv, err := c.bucket(ctx)
	if err != nil {
		return nil, err
	}
	t, revision, err := readTable(ctx, kv)
	if err != nil || slices.Contains(t.Removed, node) {
		return t.Nodes, err
	}
	at := slices.Index(t.Nodes, node)
	if at < 0 {
		return nil, fmt.Errorf("node %s is no member: there are %s", node, strings.Join(t.Nodes, ", "))
	}
	for p, a := range t.Partitions {
		if a.Owner == node {
			return nil, fmt.Errorf("node %s owns partition %d: stop it, and wait until another has taken over", node, p)
		}
	}
	t.Nodes, t.Removed = slices.Delete(t.Nodes, at, at+1), append(t.Removed, node)
	_, err = writeTable(ctx, kv, &t, revision)
	return t.Nodes, err
}

// serveRemove has JetStream's servers forget one of them.
func (n *Node) serveRemove(m *nats.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*callWait)
	defer cancel()
	if err := n.forgetPeer(ctx, string(m.Data)); err != nil {
		refuse(m, err)
		return
	}
	answer(m, "removed")
}

// forgetPeer asks the leader of JetStream's servers, for whom only the system
// account speaks.
func (n *Node) forgetPeer(ctx context.Context, peer string) error {
	if n.server == nil {
		return errors.New("the servers of an external cluster are for its operator to remove")
	}
	conn, err := nats.Connect("", nats.InProcessServer(n.server), n.server.creds.system().option())
	if err != nil {
		return fmt.Errorf("asking JetStream: %w", err)
	}
	defer conn.Close()
	request, err := json.Marshal(server.JSApiMetaServerRemoveRequest{Server: peer})
	if err != nil {
		return err
	}
	m, err := conn.RequestWithContext(ctx, server.JSApiRemoveServer, request)
	if err != nil {
		return fmt.Errorf("asking JetStream: %w", err)
	}
	var done server.JSApiMetaServerRemoveResponse
	if err := json.Unmarshal(m.Data, &done); err != nil {
		return fmt.Errorf("JetStream answers %q: %w", m.Data, err)
	}
	if done.Error != nil && !server.IsNatsErr(done.Error, server.JSClusterServerNotMemberErr) {
		return fmt.Errorf("JetStream: %s", done.Error.Description)
	}
	return nil
}
