package process

import (
	"bytes"
	"sync/atomic"
)

// Bounds of what waits for someone who is not on the lane.
const (
	mailboxEvents = 1024
	mailboxBytes  = 16 << 20
)

// mailbox takes copies of events off the lanes, for a goroutine that may be
// slow. What finds it full is lost, and counted. Any goroutine puts in.
type mailbox struct {
	events chan Event
	bytes  atomic.Int64 // of those that wait
	lost   atomic.Uint64
}

func newMailbox() mailbox { return mailbox{events: make(chan Event, mailboxEvents)} }

// put copies the event in, if there is room.
func (m *mailbox) put(e *Event) {
	size := int64(len(e.Topic) + len(e.Payload))
	if m.bytes.Add(size) > mailboxBytes || len(m.events) == cap(m.events) {
		m.bytes.Add(-size)
		m.lost.Add(1)
		return
	}
	kept := *e
	kept.Topic, kept.Payload = bytes.Clone(e.Topic), bytes.Clone(e.Payload)
	select {
	case m.events <- kept:
	default: // another lane was faster
		m.bytes.Add(-size)
		m.lost.Add(1)
	}
}

// taken accounts for an event that was taken out.
func (m *mailbox) taken(e *Event) { m.bytes.Add(-int64(len(e.Topic) + len(e.Payload))) }

// Lost is how many events found no room so far. Any goroutine.
func (m *mailbox) Lost() uint64 { return m.lost.Load() }
