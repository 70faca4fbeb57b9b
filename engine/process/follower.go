package process

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/topic"
)

// Followers are those who want to see events as they are processed. Without any,
// a processor pays one load a batch.
type Followers struct {
	list atomic.Pointer[[]*Follower]
	mu   sync.Mutex // around changing it
}

// Follower sees the processed events of a topic pattern, as far as it keeps up:
// what it is too slow for it loses, and Lost says how many.
type Follower struct {
	mailbox
	pattern topic.Pattern
	least   event.Priority
	of      *Followers
}

// Follow begins a subscription, to be ended by Close: events of topics that
// match the pattern, of the priority or a higher one.
func (f *Followers) Follow(pattern string, least event.Priority) (*Follower, error) {
	parsed, err := topic.ParsePattern(pattern)
	if err != nil {
		return nil, err
	}
	follower := &Follower{mailbox: newMailbox(), pattern: parsed, least: least, of: f}
	f.change(func(all []*Follower) []*Follower { return append(all, follower) })
	return follower, nil
}

// Close ends the subscription.
func (f *Follower) Close() {
	f.of.change(func(all []*Follower) []*Follower {
		return slices.DeleteFunc(all, func(other *Follower) bool { return other == f })
	})
}

// Next waits for an event, which is the caller's to keep, until ctx is done.
func (f *Follower) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-f.events:
		f.taken(&e)
		return e, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// change replaces the list, of which processors may be reading the old one.
func (f *Followers) change(edit func([]*Follower) []*Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*Follower
	if old := f.list.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = edit(all); len(all) == 0 {
		f.list.Store(nil)
		return
	}
	f.list.Store(&all)
}

// show offers processed events to who follows.
func (p *Processor) show(refs []event.Ref) {
	all := p.Followers.list.Load()
	if all == nil {
		return
	}
	for _, r := range refs {
		e := viewOf(p.slots.At(r))
		for _, f := range *all {
			if e.Priority >= f.least && f.pattern.Matches(e.Topic) {
				f.put(&e)
			}
		}
	}
}
