package process

import (
	"io"
	"strconv"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/metrics"
	"eventstreamcore/engine/wire"
)

// LetterLog is the log of dead letters; store.Log is the real one. The writer
// calls all three from its own thread.
type LetterLog interface {
	Log
	Commit() (n int, err error)
}

// LetterWriter empties the lane of dead letters into their log, and into the
// original's text form. A letter that the log does not take, because its disk is
// full or has failed, is only counted: what is given up on must not hold up the
// rest.
type LetterWriter struct {
	Captured   metrics.Counter // letters in the log
	Uncaptured metrics.Counter // letters that it did not take

	letters *bus.DeadLetters
	log     LetterLog
	text    io.Writer
	line    []byte
	refs    [batch]event.Ref
	every   cpu.Ticks // how often Commit is called when there is nothing new, for what is due by the clock
	next    cpu.Ticks
	failed  func(error) // told once that the log or the text failed; then nil
}

// commitEvery is how soon what was written is synced, ns.
const commitEvery = 10_000_000

// NewLetterWriter writes to the log, and lines to text. Failed is told of the
// first error.
func NewLetterWriter(letters *bus.DeadLetters, log LetterLog, text io.Writer, clock cpu.Clock, failed func(error)) *LetterWriter {
	return &LetterWriter{letters: letters, log: log, text: text, every: clock.Ticks(commitEvery), failed: failed}
}

// Step writes at most one batch.
func (w *LetterWriter) Step(now cpu.Ticks) int {
	n := w.letters.Lane.PopBatch(w.refs[:])
	if n == 0 {
		if now >= w.next {
			w.next = now + w.every
			w.commit()
		}
		return 0
	}
	w.line = w.line[:0]
	captured := 0
	for _, r := range w.refs[:n] {
		h := w.letters.Slots.At(r)
		h.Type = event.TypeDeadLetter
		h.Seal()
		if w.append(h) {
			captured++
			w.line = AppendLetter(w.line, &h.Record, h.Topic())
		}
	}
	w.commit()
	if _, err := w.text.Write(w.line); err != nil {
		w.tell(err)
	}
	w.Captured.Add(uint64(captured))
	w.Uncaptured.Add(uint64(n - captured))
	w.letters.Slots.Return(w.refs[:n])
	return n
}

// append tries once more after a commit, which makes room unless the disk has none.
func (w *LetterWriter) append(h *event.Header) bool {
	_, ok := w.log.Append(h)
	if !ok {
		w.commit()
		_, ok = w.log.Append(h)
	}
	return ok
}

func (w *LetterWriter) commit() {
	w.log.Offer()
	if _, err := w.log.Commit(); err != nil {
		w.tell(err)
	}
}

func (w *LetterWriter) tell(err error) {
	if w.failed != nil {
		w.failed(err)
		w.failed = nil
	}
}

// AppendLetter writes the original's line behind b:
//
//	[<unix seconds>] DROPPED: id=<id> topic=<topic> priority=<n> reason=<reason>
func AppendLetter(b []byte, r *event.Record, topic []byte) []byte {
	b = append(b, '[')
	b = strconv.AppendInt(b, r.Wall/1e9, 10)
	b = append(b, "] DROPPED: id="...)
	b = strconv.AppendUint(b, r.ID, 10)
	b = append(b, " topic="...)
	b = appendEscaped(b, topic)
	b = append(b, " priority="...)
	b = strconv.AppendUint(b, uint64(r.Priority), 10)
	b = append(b, " reason="...)
	b = append(b, wire.Reason(r.Reason).String()...)
	return append(b, '\n')
}

// appendEscaped writes text with its control characters as \xNN, so that an
// event cannot write a line of its own. (All of C1 is beyond ASCII, two bytes
// each, the first 0xc2.)
func appendEscaped(b, text []byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range text {
		second := i > 0 && text[i-1] == 0xc2 && c >= 0x80 && c < 0xa0
		first := c == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0
		switch {
		case c < 0x20 || c == 0x7f || first || second:
			b = append(b, '\\', 'x', digits[c>>4], digits[c&15])
		case c == '\\':
			b = append(b, '\\', '\\')
		default:
			b = append(b, c)
		}
	}
	return b
}
