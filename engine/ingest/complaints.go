package ingest

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"eventstreamcore/engine/metrics"
)

// complaints takes log lines off a worker's thread: writing them may block, and
// whoever sends garbage must not be able to fill a disk. A few at once, then
// five a second; the rest is counted.
type complaints struct {
	lines  chan complaint
	missed *metrics.Counter
	done   sync.WaitGroup
}

type complaint struct {
	what   string
	client netip.AddrPort
	err    error
}

const (
	complaintsAtOnce  = 16
	complaintInterval = 200 * time.Millisecond
)

// init starts the writer; missed counts what it could not keep up with.
func (l *complaints) init(log *slog.Logger, missed *metrics.Counter) {
	l.lines, l.missed = make(chan complaint, complaintsAtOnce), missed
	l.done.Go(func() {
		for c := range l.lines {
			attributes := []any{"client", c.client}
			if c.err != nil {
				attributes = append(attributes, "why", c.err)
			}
			log.Warn("frame port: "+c.what, attributes...)
			if len(l.lines) > 0 {
				time.Sleep(complaintInterval)
			}
		}
	})
}

// say never waits.
func (l *complaints) say(c complaint) {
	select {
	case l.lines <- c:
	default:
		l.missed.Add(1)
	}
}

// close writes what is left and ends the writer.
func (l *complaints) close() {
	close(l.lines)
	l.done.Wait()
}
