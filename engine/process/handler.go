package process

import (
	"fmt"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/topic"
)

// Handler is called with the events of a topic, on the thread of their lane: it
// must not block. Slow work belongs behind an Alert.
//
// An error makes a transaction be tried again, three times, and then dead-letters
// it. On the other lanes it is only counted, and the event goes on to the log.
type Handler struct {
	Pattern string // levels between slashes; + is any one, # at the end any number
	Handle  func(*Event) error
}

// Event is what a handler sees. Topic and Payload are views that die when it
// returns.
type Event struct {
	ID       uint64
	Wall     int64 // ns, CLOCK_REALTIME, on receipt
	Priority event.Priority
	Origin   event.Origin
	Topic    []byte
	Payload  []byte
}

// Validate judges the pattern.
func (h Handler) Validate() error {
	if h.Handle == nil {
		return fmt.Errorf("handler of %q: no function given", h.Pattern)
	}
	if _, err := topic.ParsePattern(h.Pattern); err != nil {
		return fmt.Errorf("handler: %w", err)
	}
	return nil
}

func viewOf(h *event.Header) Event {
	return Event{ID: h.ID, Wall: h.Wall, Priority: h.Priority, Origin: h.Origin, Topic: h.Topic(), Payload: h.Payload()}
}

// calls are the handlers of one lane.
type calls struct {
	handlers []Handler
	patterns []topic.Pattern // theirs
	event    Event           // given to them: one at a time, so that it is not allocated
	Failed   metrics.Counter // calls that returned an error
}

// newCalls takes handlers that Validate accepts.
func newCalls(handlers []Handler) *calls {
	c := &calls{handlers: handlers}
	for _, h := range handlers {
		p, err := topic.ParsePattern(h.Pattern)
		if err != nil {
			panic(err)
		}
		c.patterns = append(c.patterns, p)
	}
	return c
}

// run calls the handlers of the event's topic and reports whether all succeeded.
func (c *calls) run(h *event.Header) bool {
	if len(c.handlers) == 0 {
		return true
	}
	c.event = viewOf(h)
	ok := true
	for i := range c.handlers {
		if c.patterns[i].Matches(c.event.Topic) && c.handlers[i].Handle(&c.event) != nil {
			c.Failed.Add(1)
			ok = false
		}
	}
	return ok
}
