package store

import (
	"fmt"
	"strconv"

	"eventstreamcore/engine/event"
	"eventstreamcore/engine/wire"
)

// DeadLetters is the log of events that were given up, with a readable view
// beside it: a line for each in dlq_log.txt, in the original's form. The log is
// what counts. The view is made anew from it where it may have fallen behind,
// and shrinks with it when retention lets segments go.
type DeadLetters struct {
	*Log
	view  file
	size  int64  // of the view
	limit int64  // at which it is made anew, 0 never
	stale bool   // lines are missing from it
	lines []byte // of the group being committed
}

// ViewName is the view's file, in the log's folder.
const ViewName = "dlq_log.txt"

// OpenDeadLetters opens the dead letters' log as Open does, and its view.
func OpenDeadLetters(cfg Config) (*DeadLetters, Recovery, error) {
	l, report, err := Open(cfg)
	if err != nil {
		return nil, report, err
	}
	d := &DeadLetters{Log: l}
	d.view, err = l.env.disk.Open(ViewName)
	if err == nil {
		d.size, err = d.view.Size()
	}
	if err == nil && report.Sealed {
		d.limit = 2*d.size + cfg.RetainBytes
		return d, report, nil
	}
	if err == nil || isMissing(err) {
		err = d.renew()
	}
	if err != nil {
		return nil, report, fmt.Errorf("log %s: %s: %w", cfg.Dir, ViewName, closing(l, err))
	}
	return d, report, nil
}

// closing gives up l for err.
func closing(l *Log, err error) error {
	l.Close()
	return err
}

// Bury appends an event as a dead letter, with its reason. It seals it anew,
// for type and reason are part of its content. False is as Append's.
func (d *DeadLetters) Bury(h *event.Header, why wire.Reason) (seq uint64, ok bool) {
	h.Type, h.Reason = event.TypeDeadLetter, uint16(why)
	h.Seal()
	return d.Append(h)
}

// Commit is the log's, and adds the lines to the view. A view that cannot be
// written fails nothing: it is made anew on Close or on the next Open.
func (d *DeadLetters) Commit() (n int, err error) {
	d.lines = d.lines[:0]
	if d.offered.Load() != 0 && !d.stale {
		b := &d.batches[d.offered.Load()-1]
		for rest := b.buf[:b.used]; len(rest) > 0; {
			r := record(rest)
			topic := rest[event.RecordSize:][:r.TopicLength]
			d.lines = appendLetter(d.lines, &r, topic)
			rest = rest[padded(int(r.Length)):]
		}
	}
	n, err = d.Log.Commit()
	if n == 0 || err != nil || d.stale {
		return n, err
	}
	if _, failed := d.view.WriteAt(d.lines, d.size); failed != nil {
		d.stale = true
		return n, nil
	}
	if d.size += int64(len(d.lines)); d.cfg.RetainBytes > 0 && d.size > d.limit {
		d.stale = d.renew() != nil
	}
	return n, nil
}

// reasonOf is the reason of a dead letter; a number that is none stays none.
func reasonOf(r *event.Record) wire.Reason { return wire.Reason(min(r.Reason, uint16(wire.Reasons))) }

// Close commits what is gathered, closes the log, and mends the view if it lacks lines.
func (d *DeadLetters) Close() error {
	for range 3 { // as the log's own Close does, but with their lines
		d.retryAt = 0
		if _, err := d.Commit(); err != nil {
			break
		}
		d.Offer()
	}
	err := d.Log.Close()
	if d.stale {
		d.renew()
	}
	d.view.Close()
	return err
}

// renew writes the view from the log.
func (d *DeadLetters) renew() error {
	const piece = 64 << 10
	next, err := d.env.disk.Create(ViewName + partSuffix)
	if err != nil {
		return err
	}
	r := newReader(d.env.disk)
	defer r.Close()
	err = r.SeekSequence(0)
	lines, size := make([]byte, 0, piece), int64(0)
	flush := func() {
		if err == nil {
			_, err = next.WriteAt(lines, size)
			size += int64(len(lines))
			lines = lines[:0]
		}
	}
	for err == nil && r.Next() {
		e := r.Entry()
		if lines = appendLetter(lines, &e.Record, e.Topic); len(lines) > piece {
			flush()
		}
	}
	flush()
	if err == nil {
		err = r.Err()
	}
	if err == nil {
		err = d.env.disk.Rename(ViewName+partSuffix, ViewName)
	}
	if err != nil {
		next.Close()
		return err
	}
	if d.view != nil {
		d.view.Close()
	}
	d.view, d.size, d.stale = next, size, false
	d.limit = 2*size + d.cfg.RetainBytes
	return nil
}

// appendLetter writes one line: what is not printable in a topic is escaped as
// in Go.
func appendLetter(dst []byte, r *event.Record, topic []byte) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, r.Wall/1e9, 10)
	dst = append(dst, "] DROPPED: id="...)
	dst = strconv.AppendUint(dst, r.ID, 10)
	dst = append(dst, " topic="...)
	at := len(dst)
	dst = strconv.AppendQuote(dst, string(topic))
	dst = dst[:at+copy(dst[at:], dst[at+1:len(dst)-1])] // without the quotes
	dst = append(dst, " priority="...)
	dst = strconv.AppendUint(dst, uint64(r.Priority), 10)
	dst = append(dst, " reason="...)
	dst = append(dst, reasonOf(r).String()...)
	return append(dst, '\n')
}
