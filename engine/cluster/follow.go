package cluster

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// How a replica keeps up with its stream: it takes what this node's own lead had
// stored straight from there, and reads what others had.

// landing is a group, and its place in the stream.
type landing struct {
	stream uint64
	group  group
}

const (
	landedMax = 4 * flightsMax
	feedRest  = 250 * time.Millisecond // between looks that nobody rang for
	feedSoon  = 10 * time.Millisecond  // from a bell to the look: every copy has it then, and what came behind it is read with it
)

// land hands over a group that a majority has. Without room for it, it is read
// from the stream like any other. The lead calls it.
func (r *replica) land(l landing) {
	select {
	case r.landed <- l:
	default:
	}
}

// follow applies message after message. Where the replica left off it knows, or
// finds out from what it holds.
func (r *replica) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.ended = ctx.Done()
	if r.log == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.stop, r.damage = stop, nil
	r.mu.Unlock()
	r.enter(Following)
	go r.watch(ctx, r.log)
	for {
		err := r.readOn(ctx)
		if err == nil {
			err = r.rest(ctx)
		}
		if err = cmp.Or(r.known(), err, ctx.Err()); err != nil {
			return err
		}
	}
}

// readOn reads the stream until it has nothing more.
func (r *replica) readOn(ctx context.Context) error {
	for {
		next := r.end.stream + 1
		last, err := r.feed.read(ctx, next, func(stream uint64, data []byte) error { return r.take(ctx, stream, data) })
		if err = cmp.Or(r.known(), err, r.commit()); err != nil || last+1 < next+feedBatch {
			return err
		}
	}
}

// rest takes what is handed over, until the stream has, or may have, something
// that was not.
func (r *replica) rest(ctx context.Context) error {
	look, heard := time.NewTimer(feedRest), uint64(0)
	defer look.Stop()
	soon := func(to uint64) {
		if heard == 0 {
			look.Reset(feedSoon)
		}
		heard = max(heard, to)
	}
	for {
		select {
		case l := <-r.landed:
			if whole, err := r.accept(ctx, &l); !whole || err != nil {
				return err
			}
			soon(l.stream)
		case to := <-r.feed.bells:
			soon(to)
		case <-look.C:
			if whole, err := r.acceptAll(ctx); !whole || err != nil {
				return err
			}
			if err := r.commit(); err != nil || heard == 0 || heard > r.end.stream {
				return err
			}
			heard = 0
			look.Reset(feedRest)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *replica) acceptAll(ctx context.Context) (whole bool, err error) {
	for {
		select {
		case l := <-r.landed:
			if whole, err := r.accept(ctx, &l); !whole || err != nil {
				return whole, err
			}
		default:
			return true, nil
		}
	}
}

// accept applies a group that was handed over, unless something is missing
// before it.
func (r *replica) accept(ctx context.Context, l *landing) (whole bool, err error) {
	next := r.end.stream + 1
	if l.stream == next {
		err = r.put(ctx, l)
	}
	return l.stream <= next, err
}

// take applies one message that was read.
func (r *replica) take(ctx context.Context, stream uint64, data []byte) error {
	g, err := decodeGroup(data)
	if err != nil {
		return fmt.Errorf("stream message %d: %w", stream, err)
	}
	return r.put(ctx, &landing{stream, g})
}

// put applies a group, if it counts. What it appends is written by commit.
func (r *replica) put(ctx context.Context, l *landing) error {
	if r.adrift = r.adrift || l.stream > r.end.stream+1; r.adrift {
		if err := r.bridge(ctx, l); err != nil {
			return err
		}
	}
	if !r.adrift && r.end.goesOn(&l.group) {
		if err := r.apply(&l.group); err != nil {
			return err
		}
		r.end = r.end.after(&l.group)
		r.pass(r.end)
	}
	r.end.stream = l.stream
	return nil
}

// commit writes what was appended, and tells who waits for it. Adrift, nobody is
// told: what of the stream counts is not known then.
func (r *replica) commit() error {
	err := r.write()
	if err == nil && !r.adrift {
		r.reach(r.end)
	}
	return err
}
