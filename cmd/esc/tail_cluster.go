package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"eventstreamcore/engine/admin"
	"eventstreamcore/engine/cluster"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
	"eventstreamcore/engine/topic"
)

// clusterTail is what esc tail was told of a cluster.
type clusterTail struct {
	on bool
	whereabouts
	node      string // "" is any
	partition int    // -1 is all
	from      uint64 // 0 is now
}

// tailRest is how long a reader waits that has read everything.
const tailRest = 100 * time.Millisecond

// tailCluster follows partitions, each from a place on, by whichever node serves
// it: the records and their places are the same on all.
func tailCluster(ctx context.Context, out, messages io.Writer, f tailFlags) error {
	least, err := event.ParsePriority(f.priority)
	if err != nil {
		return exit(exitUsage, err)
	}
	pattern, err := topic.ParsePattern(f.topic)
	if err != nil {
		return usage("--topic: %v", err)
	}
	client, err := f.cluster.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	places, err := f.cluster.places(ctx, client)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	shown := 0
	errEnough := errors.New("enough")
	show := func(e *store.Entry) error {
		if e.Priority < least || !pattern.Matches(e.Topic) {
			return nil
		}
		line, err := f.entryLine(e)
		if err == nil {
			_, err = fmt.Fprintln(out, line)
		}
		if shown++; err == nil && shown == f.count {
			err = errEnough
		}
		return err
	}
	for {
		moved, err := f.cluster.advance(ctx, client, places, show, messages)
		switch {
		case errors.Is(err, errEnough):
			return nil
		case ctx.Err() != nil:
			return exit(exitInterrupted, errors.New("interrupted"))
		case err != nil:
			return exit(exitUnmeasured, err)
		}
		if moved == 0 {
			time.Sleep(tailRest)
		}
	}
}

// places is where to begin in each partition that is followed.
func (t *clusterTail) places(ctx context.Context, client *cluster.Client) (map[int]uint64, error) {
	statuses, err := client.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	if len(statuses) == 0 {
		return nil, errors.New("no node answers")
	}
	places := map[int]uint64{}
	for p := range statuses[0].Partitions {
		if t.partition >= 0 && p != t.partition {
			continue
		}
		places[p] = t.from
		for _, s := range statuses {
			if t.from == 0 && p < len(s.Partitions) {
				places[p] = max(places[p], s.Partitions[p].Records+1)
			}
		}
	}
	if len(places) == 0 {
		return nil, fmt.Errorf("there is no partition %d: they are 0 to %d", t.partition, len(statuses[0].Partitions)-1)
	}
	return places, nil
}

// advance reads on in each partition, and is how many records there were. What no
// node keeps any longer it says, and passes over.
func (t *clusterTail) advance(ctx context.Context, client *cluster.Client, places map[int]uint64, show func(*store.Entry) error, messages io.Writer) (moved int, err error) {
	nodes := []string{t.node}
	if t.node == "" {
		table, err := client.Table(ctx)
		if err != nil {
			return 0, err
		}
		nodes = table.Nodes
	}
	for p := range places {
		n, failure := readAny(ctx, client, nodes, p, places[p], show)
		moved += n
		places[p] += uint64(n)
		var gone *cluster.GoneError
		if errors.As(failure, &gone) {
			fmt.Fprintf(messages, "esc: %v: going on with record %d\n", gone, gone.First)
			places[p], moved = gone.First, moved+1
			continue
		}
		if failure != nil && (t.node != "" || !errors.Is(failure, cluster.ErrNotServed)) {
			return moved, failure
		}
	}
	return moved, nil
}

// readAny reads from the first node that serves; if none does, and some say that
// what comes next is gone, it is the one's word that keeps the most.
func readAny(ctx context.Context, client *cluster.Client, nodes []string, p int, from uint64, show func(*store.Entry) error) (n int, err error) {
	var kept *cluster.GoneError
	for _, node := range nodes {
		n, err = client.Read(ctx, node, p, from, show)
		var gone *cluster.GoneError
		switch {
		case errors.As(err, &gone):
			if kept == nil || gone.First < kept.First {
				kept = gone
			}
		case err == nil || n > 0 || !errors.Is(err, cluster.ErrNotServed):
			return n, err
		}
	}
	if kept != nil {
		return 0, kept
	}
	return 0, err
}

// entryLine is an event's line, as those of the admin port.
func (f tailFlags) entryLine(e *store.Entry) (string, error) {
	if f.json {
		b, err := e.AppendJSON(nil)
		return string(b), err
	}
	return f.line(nil, &admin.Followed{
		ID: strconv.FormatUint(e.ID, 10), Received: time.Unix(0, e.Wall).UTC(), Priority: e.Priority.String(),
		Topic: string(e.Topic), Bytes: e.Payload,
	}), nil
}
