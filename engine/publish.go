package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/ingest"
)

// ErrNoPublisher says that every publisher was handed out.
var ErrNoPublisher = errors.New("no publisher left: raise Config.Publishers")

// Publisher hands out a way in for one goroutine, which publishes without a
// lock. With the default of one, it is the one that Publish would use.
func (e *Engine) Publisher() (*ingest.Publisher, error) { return e.desk.take() }

// Publish hands one event to the engine, waiting for room until ctx is done. Any
// goroutine may call it; callers take turns. When it returns nil, the event is
// in the engine's hands, not yet on disk.
func (e *Engine) Publish(ctx context.Context, topic string, payload []byte, priority event.Priority) error {
	return e.desk.publish(ctx, topic, payload, priority)
}

// desk hands publishers out, and shares one among those who have none.
type desk struct {
	free  chan *ingest.Publisher // not handed out yet
	turns sync.Mutex             // around own
	own   *ingest.Publisher      // nil before somebody wants it
}

func (d *desk) take() (*ingest.Publisher, error) {
	select {
	case p := <-d.free:
		return p, nil
	default:
		return nil, ErrNoPublisher
	}
}

// publishPause is how long Publish waits between two attempts while the engine
// has no room: about a wake-up's time.
const publishPause = 50 * time.Microsecond

func (d *desk) publish(ctx context.Context, topic string, payload []byte, priority event.Priority) error {
	d.turns.Lock()
	defer d.turns.Unlock()
	if d.own == nil {
		p, err := d.take()
		if err != nil {
			return err
		}
		d.own = p
	}
	for {
		err := d.own.Publish(topic, payload, priority)
		if !errors.Is(err, ingest.ErrBusy) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("publishing to %s: %w", topic, ctx.Err())
		case <-time.After(publishPause):
		}
	}
}

// flush hands over what Publish was told was taken, and the lane had no room for
// then.
func (d *desk) flush() {
	if d.turns.TryLock() {
		defer d.turns.Unlock()
		if d.own != nil {
			d.own.Flush()
		}
	}
}
