package ingest

import (
	"errors"
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/topic"
	"eventstreamcore/engine/wire"
)

// ErrBusy says that the engine has no room for the event now: nothing was
// taken, and it may be published again.
var ErrBusy = errors.New("engine is busy: no room for the event now, publish it again")

// Event is what a Publisher takes. Topic and Payload are copied.
type Event struct {
	Topic    string // 1 to 65535 bytes of UTF-8
	Payload  []byte
	ID       uint64 // 24-bit producer, 40-bit counter; 0: the engine gives it one
	Intended uint64 // ns, CLOCK_MONOTONIC_RAW; 0 is none
	Priority event.Priority
}

// Publisher lets a goroutine of the same process publish events. It belongs to
// one goroutine; every further one needs a Publisher of its own.
type Publisher struct {
	intake *Intake
	frame  wire.Frame
	topic  string // the frame's, found good; "" is none
	memo   topic.Memo
	origin event.Origin
}

// NewPublisher publishes through the intake, which it then owns.
func NewPublisher(in *Intake, origin event.Origin) *Publisher {
	return &Publisher{intake: in, origin: origin}
}

// Publish hands one event to the engine at once. It returns ErrBusy when there
// is no room and wire's ErrTopic, ErrPriority or ErrTooLarge when the event can
// never be taken.
func (p *Publisher) Publish(topic string, payload []byte, priority event.Priority) error {
	e := Event{Topic: topic, Payload: payload, Priority: priority}
	if err := p.admit(&e, cpu.Now()); err != nil {
		return err
	}
	p.intake.Flush()
	return nil
}

// PublishBatch hands over as many events as there is room for, from the front,
// and says how many; all were received at the same moment. An error, the same
// as Publish's, is about the first event that was not taken.
func (p *Publisher) PublishBatch(events []Event) (taken int, err error) {
	now := cpu.Now()
	for ; taken < len(events) && err == nil; taken++ {
		err = p.admit(&events[taken], now)
	}
	p.intake.Flush()
	if err != nil {
		taken--
	}
	return taken, err
}

// Flush hands over what the lane had no room for, and reports whether all went:
// whoever stops publishing calls it until it did.
func (p *Publisher) Flush() bool { return p.intake.Flush() }

func (p *Publisher) admit(e *Event, now cpu.Ticks) error {
	f := &p.frame
	f.Payload, f.ID, f.Intended, f.Priority = e.Payload, e.ID, e.Intended, e.Priority
	if f.Version = wire.V1; e.ID != 0 {
		f.Version = wire.V2
	}
	if e.Topic == "" || e.Topic != p.topic || e.Priority >= event.Priorities || f.Size() > wire.MaxFrame {
		if err := p.check(e.Topic); err != nil {
			return err
		}
	}
	if !p.intake.Admit(f, Arrival{Received: now, Origin: p.origin, Memo: &p.memo}) {
		return ErrBusy
	}
	return nil
}

// check judges the frame with a topic that is not the last one: most publishers
// have one, and to look for its UTF-8 each time would cost as much as the copy.
func (p *Publisher) check(topic string) error {
	p.topic = ""
	p.frame.Topic = unsafe.Slice(unsafe.StringData(topic), len(topic)) // Admit only reads it
	if err := p.frame.Check(); err != nil {
		return err
	}
	p.topic = topic
	return nil
}
