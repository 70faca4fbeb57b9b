package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/memory"
	"eventstreamcore/engine/process"
	"eventstreamcore/engine/store"
)

// Processing is what is done with events between the bus and the log.
type Processing struct {
	Dedup    process.Memory    // what transactions are remembered with
	Handlers []process.Handler // called with the events of a topic, on their lane
	Alerts   []*process.Alert  // told of REALTIME events, off the lane
	Windows  process.Windows   // how the BATCH lane is aggregated
}

func defaultProcessing() Processing {
	return Processing{Dedup: process.DefaultMemory(), Windows: process.DefaultWindows()}
}

func (p Processing) validate() error {
	err := errors.Join(p.Dedup.Validate(), p.Windows.Validate())
	for _, h := range p.Handlers {
		err = errors.Join(err, h.Validate())
	}
	for _, a := range p.Alerts {
		err = errors.Join(err, a.Handler().Validate())
	}
	return err
}

// memoryShort says, once, that ids are forgotten too soon.
func (e *Engine) memoryShort(held time.Duration) {
	e.cfg.Logger.Warn("dedup memory is too small for its window at the present rate: an id that comes again later than held is taken for new; raise the dedup memory",
		"held", held, "window", e.cfg.Dedup.Window, "bytes", e.cfg.Dedup.Bytes)
}

// rememberProgress is how often a long look back says how far it is, in records.
const rememberProgress = 1 << 21

// remember fills the memory of ids with the transactions of the log's last
// window, before anything can come in. It reads no more records than twice the
// ids that memory can hold, the newest, so that a start takes seconds.
func (e *Engine) remember() error {
	began := time.Now()
	since := began.Add(-e.cfg.Dedup.Window).UnixNano()
	r, err := store.NewReader(e.cfg.Log.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.SeekTime(since); err != nil {
		return fmt.Errorf("remembering ids: %w", err)
	}
	most, read, kept := uint64(e.cfg.Dedup.Bytes/8*2), uint64(0), 0
	for r.Next() {
		entry := r.Entry()
		if left := e.Recovery.Last - entry.Sequence; read == 0 && left >= most {
			e.cfg.Logger.Warn("the log holds more of the dedup window than is looked through: the oldest ids are not remembered", "records", left+1, "looked_through", most)
			if err := r.SeekSequence(e.Recovery.Last - most + 1); err != nil {
				return fmt.Errorf("remembering ids: %w", err)
			}
			read = 1
			continue
		}
		if entry.Type == event.TypeEvent && entry.Priority.Lane() == event.LaneTransactional {
			kept += e.seen.Remember(entry.ID, time.Duration(entry.Wall-since))
		}
		if read++; read%rememberProgress == 0 {
			e.cfg.Logger.Info("remembering ids from the log", "records", read, "of_at_most", min(most, e.Recovery.Last))
		}
	}
	if err := r.Err(); err != nil { // what is appended next does not depend on it: an event too many is better than no service
		e.cfg.Logger.Error("remembering ids: the rest of the log is not looked through; esc log verify says what is wrong with it", "error", err)
	}
	e.seen.CatchUp(e.cfg.Dedup.Window)
	if kept > 0 {
		e.cfg.Logger.Info("ids remembered from the log", "ids", kept, "records", read, "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

// houseClasses are the slots of what the engine makes itself: 2 MiB.
func houseClasses() memory.Classes {
	return memory.Classes{{Size: 256, Count: 1024}, {Size: 2 << 10, Count: 256}, {Size: 64 << 10, Count: 4}, {Size: 1<<20 + 4<<10, Count: 1}}
}

// assembleWindows makes the storer aggregate the BATCH lane, if it is to. Results
// come in as all events do, by a way in of their own.
func (e *Engine) assembleWindows() {
	if e.gate.results == nil {
		return
	}
	e.windows = process.NewAggregator(e.cfg.Windows, e.slots, e.cfg.Clock, func(topic string, payload []byte) bool {
		return e.gate.results.Publish(topic, payload, event.Batch) == nil
	})
	e.windows.Askers, e.storer.Windows = &e.askers, e.windows
}

// watchful are the handlers of the REALTIME lane.
func (e *Engine) watchful() []process.Handler {
	all := slices.Clone(e.cfg.Handlers)
	for _, a := range e.cfg.Alerts {
		all = append(all, a.Handler())
	}
	return all
}

// alert delivers alerts until the function that it returns is called.
func (e *Engine) alert() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var delivering sync.WaitGroup
	for _, a := range e.cfg.Alerts {
		delivering.Go(func() { a.Run(ctx) })
	}
	return func() {
		cancel()
		delivering.Wait()
	}
}

// Follow begins a subscription to the events that are processed from now on:
// those whose topic matches the pattern, of the priority or a higher one. Any
// goroutine may follow; who is too slow loses events, and knows how many.
func (e *Engine) Follow(pattern string, least event.Priority) (*process.Follower, error) {
	return e.followers.Follow(pattern, least)
}
