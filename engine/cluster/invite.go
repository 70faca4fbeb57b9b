package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// How a partition's owner finds the stream's leader, and has it be on its own node.

// info asks the stream's leader how the stream stands. One that is dead never
// answers: it is asked again soon, and given twice the time, for it may be slow.
func (l *lead) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	l.patience = min(max(2*l.patience, askedAgain), callWait)
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	info, err := l.stream.Info(ctx)
	if err == nil {
		l.patience = 0
	}
	return info, err
}

// errInvited says that the stream's lead is on its way here.
var errInvited = errors.New("the stream's lead is asked to move to the owner")

// invite asks, once an epoch, that the stream be led by the owner's own server:
// each group then crosses the network once less. It need not come to that.
func (l *lead) invite(ctx context.Context, info *jetstream.StreamInfo) bool {
	if info.Cluster == nil || info.Cluster.Leader == l.name || l.invited == l.epoch {
		return false
	}
	l.invited = l.epoch
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	request := fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, l.name)
	_, err := l.js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+streamOf(l.number), request)
	return err == nil
}
