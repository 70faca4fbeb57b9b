package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"eventstreamcore/engine/event"
)

// Entry is one record of the log. Topic and Payload are views into the
// reader's buffer: they die with its next call.
type Entry struct {
	event.Record
	Topic, Payload []byte
}

// ErrGone says that retention has taken the segment that was being read.
var ErrGone = errors.New("no longer kept")

// errContent says that a record changed between its sealing and its group's.
var errContent = errors.New("content checksum does not match")

// Reader reads a log from front to back: events and dead letters, without the
// seals. It checks every checksum. It needs no lock and may read what is being
// written, up to the last whole group. It belongs to one goroutine.
type Reader struct {
	Match func(topic []byte) bool // if set, only these topics
	Since int64                   // ns, CLOCK_REALTIME: only records received then or later
	Lost  uint64                  // sequences met so far that repair had taken out

	disk   disk
	min    uint64 // entries before it are passed over
	next   uint64 // sequence that the next group begins with
	prev   uint32 // crc of the last group
	loose  bool   // there is none to chain to
	part   part
	s      *scanner // of part, nil before the first
	at     int64    // of the next group in part
	rest   []byte   // records of the group being read that are still to come
	entry  Entry
	err    error
	looked time.Time // when it last made sure that the end is no damage
}

// NewReader reads the log in dir from its first record on.
func NewReader(dir string) (*Reader, error) {
	d, err := openFolder(dir, false)
	if err != nil {
		return nil, err
	}
	r := newReader(d)
	if err := r.SeekSequence(0); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return r, nil
}

func newReader(d disk) *Reader { return &Reader{disk: d, loose: true} }

// Next goes on to the next record. It is false at the end of the log, and may
// be true again later if the log is being written; and on an error, see Err.
func (r *Reader) Next() bool {
	for r.err == nil {
		for len(r.rest) > 0 {
			if r.record() {
				return true
			}
		}
		if r.err == nil && !r.advance() {
			return false
		}
	}
	return false
}

// Entry is the record that Next went to.
func (r *Reader) Entry() *Entry { return &r.entry }

// Reached is the last sequence of the groups read so far, seals and what was passed
// over included: once Next is false, there is nothing more up to it.
func (r *Reader) Reached() uint64 { return r.next - 1 }

// Err is what stopped the reading: a *CorruptError, ErrGone, or the disk's own.
// SeekSequence clears it: seeking behind a damage goes on after it.
func (r *Reader) Err() error { return r.err }

// All is what is left to read, up to the log's end as it is now.
func (r *Reader) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for r.Next() && yield(&r.entry) {
		}
	}
}

// Follow calls visit for every record, present and to come, looking for new
// ones every poll, until ctx ends or visit or the reading fails.
func (r *Reader) Follow(ctx context.Context, poll time.Duration, visit func(*Entry) error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		for r.Next() {
			if err := visit(&r.entry); err != nil {
				return err
			}
		}
		if r.err != nil {
			return r.err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// record takes the next record off the group and reports whether it is wanted.
func (r *Reader) record() bool {
	e := &r.entry
	e.Record = record(r.rest)
	data := r.rest[:e.Length]
	r.rest = r.rest[padded(len(data)):]
	if e.Type == event.TypeSeal || e.Sequence < r.min || e.Wall < r.Since {
		return false
	}
	if event.Checksum(0, data[contentAt:]) != e.Content {
		r.err = &CorruptError{Damage{Segment: r.part.name, At: r.at, First: e.Sequence, Last: e.Sequence, Why: errContent}}
		return false
	}
	data = data[event.RecordSize:]
	e.Topic, e.Payload = data[:e.TopicLength], data[e.TopicLength:]
	return r.Match == nil || r.Match(e.Topic)
}

// advance reads the next group. At a segment's end it goes on in the one that
// begins with the sequence expected; at the log's end it is false.
func (r *Reader) advance() bool {
	if r.s == nil && !r.enter(r.next) {
		return false
	}
	for range 2 { // the second time after reading anew: the writer may have gone on
		g, bad, err := r.s.group(r.at)
		if err != nil {
			return r.fail(err)
		}
		if bad == nil && g.first == r.next && (r.loose || g.prev == r.prev) {
			r.take(&g)
			return true
		}
		if err := r.s.refresh(); err != nil {
			return r.fail(err)
		}
	}
	if r.enter(r.next) {
		return r.advance()
	}
	return r.err == nil && r.end()
}

func (r *Reader) take(g *span) {
	r.at, r.next, r.prev, r.loose = g.end, g.last+1, g.crc, g.kind == quarantined
	r.rest = g.bytes[:len(g.bytes)-trailerSize]
	if g.kind == quarantined {
		r.Lost += g.last - g.first + 1
		r.rest = nil
	}
}

// enter opens the segment that begins with sequence first, if there is one and
// it is not the one being read.
func (r *Reader) enter(first uint64) bool {
	name := segmentName(first)
	if r.s != nil && r.part.name == name {
		return false
	}
	p, err := readPart(r.disk, name)
	if isMissing(err) {
		return false
	}
	if err == nil && p.bad != nil {
		err = &CorruptError{Damage{Segment: name, First: first, Why: p.bad}}
	}
	if err != nil {
		return r.fail(err)
	}
	return r.open(p)
}

func (r *Reader) open(p part) bool {
	f, err := r.disk.OpenRead(p.name)
	if err != nil {
		return r.fail(err)
	}
	s, err := newScanner(f, p.salt)
	if err != nil {
		f.Close()
		return r.fail(err)
	}
	r.Close()
	r.part, r.s, r.at = p, s, headerSize
	return true
}

func (r *Reader) fail(err error) bool {
	r.err = fmt.Errorf("reading the log: %w", err)
	return false
}

// lookEvery bounds what following costs: a look at the end reads its segment.
const lookEvery = 5 * time.Second

// end decides whether the log ends here or is damaged here.
func (r *Reader) end() bool {
	if time.Since(r.looked) < lookEvery {
		return false
	}
	r.looked = time.Now()
	now, err := readPart(r.disk, r.part.name)
	if isMissing(err) || err == nil && now.salt != r.part.salt {
		return r.fail(fmt.Errorf("sequence %d: %w", r.next, ErrGone))
	}
	parts, err := listParts(r.disk)
	if err != nil {
		return r.fail(err)
	}
	from := 0
	for from < len(parts)-1 && parts[from].name < r.part.name {
		from++
	}
	v := survey{disk: r.disk, parts: parts}
	if err := v.run(from); err != nil {
		return r.fail(err)
	}
	for _, d := range v.damages {
		if !d.Torn && d.First <= r.next && r.next <= d.Last {
			return r.fail(&CorruptError{d})
		}
	}
	return false
}

// SeekSequence goes to the record with sequence seq, or to the first kept one
// after it.
func (r *Reader) SeekSequence(seq uint64) error {
	holds := func(p *part) bool { return p.first <= seq }
	return r.seek(holds, 0, seq, func(m mark) bool { return m.seq > seq })
}

// SeekTime goes to the first record that was received at or after a time, in
// ns of CLOCK_REALTIME, and sets Since to it.
func (r *Reader) SeekTime(ns int64) error {
	from := ns - int64(clockSlack)
	r.Since = ns
	begun := func(p *part) bool { return p.bad == nil && p.created <= from }
	return r.seek(begun, 1, 0, func(m mark) bool { return m.written >= from })
}

// clockSlack is by how much a record may seem to be written before it was
// received: both read the same clock, but not by the same way.
const clockSlack = time.Second

// seek goes to the last segment for which at holds, or back segments before it,
// and in it to the last mark that is not ahead.
func (r *Reader) seek(at func(*part) bool, back int, min uint64, ahead func(mark) bool) error {
	parts, err := listParts(r.disk)
	if err != nil {
		return err
	}
	r.Close()
	r.err, r.rest, r.min, r.loose, r.next, r.looked = nil, nil, min, true, 1, time.Time{}
	if len(parts) == 0 {
		return ErrNoLog
	}
	i := len(parts) - 1
	for i > 0 && !at(&parts[i]) {
		i--
	}
	i = max(i-back, 0)
	r.next = parts[i].first
	if !r.enter(r.next) {
		if r.err == nil {
			r.fail(fmt.Errorf("segment %s: %w", parts[i].name, ErrGone))
		}
		return r.err
	}
	if m, err := loadMarks(r.disk, &parts[i]); err == nil {
		r.skipTo(m.before(ahead), ahead)
	}
	return nil
}

// skipTo goes on at an offset, if a group begins there that is not ahead: an
// index is not believed unseen.
func (r *Reader) skipTo(at int64, ahead func(mark) bool) {
	g, bad, err := r.s.group(at)
	if bad == nil && err == nil && g.first >= r.next && !ahead(mark{g.first, at, g.trailer.written}) {
		r.at, r.next = at, g.first
	}
}

// Close lets the reader's file go.
func (r *Reader) Close() error {
	if r.s == nil {
		return nil
	}
	err := r.s.f.Close()
	r.s = nil
	return err
}
