package process

import (
	"bytes"
	"fmt"
	"strings"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
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
	if err := checkPattern(h.Pattern); err != nil {
		return fmt.Errorf("handler: %w", err)
	}
	return nil
}

func checkPattern(pattern string) error {
	levels := strings.Split(pattern, "/")
	for i, level := range levels {
		if strings.ContainsAny(level, "+#") && len(level) > 1 || level == "#" && i < len(levels)-1 {
			return fmt.Errorf("topic pattern %q: + and # stand for whole levels, # for the last only", pattern)
		}
	}
	return nil
}

// matches reports whether the topic is one of the pattern's.
func matches(pattern string, topic []byte) bool {
	for {
		level, more, deeper := strings.Cut(pattern, "/")
		if level == "#" {
			return true
		}
		end := bytes.IndexByte(topic, '/')
		last := end < 0
		if last {
			end = len(topic)
		}
		if level != "+" && level != string(topic[:end]) {
			return false
		}
		if last {
			return !deeper || more == "#"
		}
		if !deeper {
			return false
		}
		pattern, topic = more, topic[end+1:]
	}
}

func viewOf(h *event.Header) Event {
	return Event{ID: h.ID, Wall: h.Wall, Priority: h.Priority, Origin: h.Origin, Topic: h.Topic(), Payload: h.Payload()}
}

// calls are the handlers of one lane.
type calls struct {
	handlers []Handler
	event    Event           // given to them: one at a time, so that it is not allocated
	Failed   metrics.Counter // calls that returned an error
}

func newCalls(handlers []Handler) *calls { return &calls{handlers: handlers} }

// run calls the handlers of the event's topic and reports whether all succeeded.
func (c *calls) run(h *event.Header) bool {
	if len(c.handlers) == 0 {
		return true
	}
	c.event = viewOf(h)
	ok := true
	for i := range c.handlers {
		if matches(c.handlers[i].Pattern, c.event.Topic) && c.handlers[i].Handle(&c.event) != nil {
			c.Failed.Add(1)
			ok = false
		}
	}
	return ok
}
