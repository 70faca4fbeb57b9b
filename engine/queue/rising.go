package queue

import (
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// Rising remembers the ids of producers that count up: 24 bits of producer, 40 of
// counter. A Dedup spends a word on each id; here those of late cost two bits, and an
// unbroken run of committed ones costs nothing.
//
// Shape. One goroutine owns it: where there are several, events are dealt out by
// producer. It tracks a bounded number of producers. What does not fit goes to the
// table behind it, be it a producer too many or a counter far ahead of the rest. So
// it never calls an id known because a higher one is, and forgets none within the
// window but those that the table had to push out.
//
// A track is four stretches of its producer's counters, from the lowest up:
//
//	below floor       the table's
//	floor to low      committed, but for the holes, which are the table's
//	low to low+1024   two bits each: claimed, committed
//	beyond            the table's, until low comes nearer
//
// Low moves up over what is committed. To make room for a counter just beyond the
// bits it also moves up over what is missing, and leaves a hole; it never passes a
// claim. When there is no room for another hole, the lowest takes the floor up with
// it if it is older than the window, for what lies below it was committed before it
// was passed, and may be forgotten. Otherwise the counter is the table's.
//
// So a counter may be in the table that is the track's by now. As long as one can
// be, which is for a window after the last that went there, what a track does not
// know is asked for in the table as well.
type Rising struct {
	table  *Dedup
	tracks []Track
	index  []key  // of the tracks: where there are many producers, all that is looked at of most
	last   *Track // the one looked for last: the next id is likely of its producer
	window uint64 // the table's, in generations
	turned uint64 // the generation from which on the table knows no id of a producer without a track
}

// key is what is asked first of a track: four in a row are half a cache line,
// of which their tracks take thirty.
type key struct {
	producer uint32 // and 1, so that 0 is none
	crowded  uint32 // the last generation, and 1, in which none of the four from here on could be given away
}

// Track is the memory of one producer.
type Track struct {
	producer  uint64 // and 1, so that 0 is none
	used      uint64 // the generation in which it last took an id
	floor     uint64
	low       uint64
	spilled   uint64 // beyond each of its counters that the table may know
	until     uint64 // the generation from which on it knows none
	claimed   bitmap
	committed bitmap
	holes     [holesMax]hole // from the lowest, and oldest, up
	holed     int            // how many there are
}

const (
	trackBits = 1024
	holesMax  = 8
	probesMax = 4 // how many places there are for a producer
)

// hole is a counter that low passed before it was committed.
type hole struct {
	counter uint64
	passed  uint64 // generation
}

// bitmap has a bit for each of trackBits counters in a row.
type bitmap [trackBits / 64]uint64

func (b *bitmap) has(c uint64) bool { return b[c%trackBits/64]>>(c%64)&1 != 0 }

func (b *bitmap) set(c uint64) { b[c%trackBits/64] |= 1 << (c % 64) }

func (b *bitmap) clear(c uint64) { b[c%trackBits/64] &^= 1 << (c % 64) }

// NewRising makes a memory of the tracks, a power of two of them, in front of a
// table, which others may use as well.
func NewRising(tracks []Track, table *Dedup) *Rising {
	mustBePowerOfTwo("tracks", len(tracks))
	clear(tracks)
	return &Rising{table: table, tracks: tracks, index: make([]key, len(tracks)), last: &tracks[0], window: table.window >> table.tagAt}
}

// Claim is that of Dedup, but a claim that nobody settles may keep its id InFlight
// for longer, until its producer has run 1,024 counters ahead of it and then a
// window has gone by.
func (r *Rising) Claim(id uint64) Outcome { return r.put(id, claimed) }

// ClaimBatch is Claim for each of the ids, with the table's lines of those whose
// tracks do not have them fetched sixteen at a time.
func (r *Rising) ClaimBatch(ids []uint64, outcomes []Outcome) {
	for len(ids) > 0 {
		n := min(len(ids), prefetchAhead)
		for _, id := range ids[:n] {
			if t := r.track(id); t == nil || !t.covers(counter(id)) {
				cpu.Prefetch(unsafe.Pointer(r.table.line(mix(id))))
			}
		}
		for i, id := range ids[:n] {
			outcomes[i] = r.Claim(id)
		}
		ids, outcomes = ids[n:], outcomes[n:]
	}
}

// Insert is Claim and Commit at once.
func (r *Rising) Insert(id uint64) Outcome { return r.put(id, committed) }

// Commit is that of Dedup.
func (r *Rising) Commit(id uint64) bool { return r.settle(id, committed) }

// Abort is that of Dedup.
func (r *Rising) Abort(id uint64) bool { return r.settle(id, dead) }

// Contains reports whether id was committed within the window; it may say so of one
// that was committed before.
func (r *Rising) Contains(id uint64) bool {
	if t := r.track(id); t != nil {
		return r.look(t, id) == Duplicate
	}
	return r.table.Contains(id)
}

func (r *Rising) put(id, state uint64) Outcome {
	t, c := r.track(id), counter(id)
	if t == nil {
		if t = r.adopt(id); t == nil {
			return r.table.put(mix(id), state)
		}
	}
	if !t.covers(c) && !r.makeRoom(t, id) {
		t.spilled, t.until = max(t.spilled, c+1), r.table.generation.Load()+r.window+1
		return r.table.put(mix(id), state)
	}
	if o := r.known(t, id); o != Fresh {
		return o
	}
	t.used = r.table.generation.Load()
	if state == claimed {
		t.claimed.set(c)
		return Fresh
	}
	t.commit(c)
	return Fresh
}

func (r *Rising) settle(id, state uint64) bool {
	t, c := r.track(id), counter(id)
	if t == nil || c < t.low || !t.covers(c) || !t.claimed.has(c) {
		return r.table.settle(mix(id), state)
	}
	t.claimed.clear(c)
	if state == committed {
		t.commit(c)
	}
	return true
}

// look is what is known of an id whose producer has track t.
func (r *Rising) look(t *Track, id uint64) Outcome {
	if t.covers(counter(id)) {
		return r.known(t, id)
	}
	return r.table.look(mix(id))
}

// known is look for an id that the track covers.
func (r *Rising) known(t *Track, id uint64) Outcome {
	c := counter(id)
	switch {
	case c < t.low || t.committed.has(c):
		return Duplicate
	case t.claimed.has(c):
		return InFlight
	case c >= t.spilled || r.table.generation.Load() >= t.until:
		return Fresh
	}
	return r.table.look(mix(id))
}

func counter(id uint64) uint64 { return id % (1 << event.CounterBits) }

// covers reports whether c is the track's, not the table's.
func (t *Track) covers(c uint64) bool {
	if c-t.low < trackBits {
		return true
	}
	if c-t.floor > t.low-t.floor { // below, or beyond: one branch, which random counters do not surprise
		return false
	}
	for _, h := range t.holes[:t.holed] {
		if h.counter == c {
			return false
		}
	}
	return true
}

// commit notes c. Low's own bit is never set: low moves up instead.
func (t *Track) commit(c uint64) {
	if c != t.low {
		t.committed.set(c)
		return
	}
	t.low++
	t.slide()
}

// slide moves low up as far as it goes.
func (t *Track) slide() {
	for t.committed.has(t.low) {
		t.committed.clear(t.low)
		t.low++
	}
}

// makeRoom moves the track up until it covers the id's counter, if it can.
func (r *Rising) makeRoom(t *Track, id uint64) bool {
	c, now := counter(id), r.table.generation.Load()
	old := now-t.used > r.window
	if c-t.low >= 2*trackBits && (!old || c < t.low) {
		return false
	}
	if old { // nothing in it need be remembered
		*t = Track{producer: t.producer, used: now, floor: c, low: c, spilled: t.spilled, until: t.until}
		return true
	}
	for low := id - c + t.low; c-t.low >= trackBits; low++ {
		if r.look(t, low) != Duplicate && (t.claimed.has(t.low) || !r.leave(t, now)) {
			return false
		}
		t.committed.clear(t.low)
		t.low++
	}
	t.slide()
	return true
}

// leave makes a hole at low, unless there are too many that are too young.
func (r *Rising) leave(t *Track, now uint64) bool {
	if t.holed == holesMax {
		if now-t.holes[0].passed <= r.window {
			return false
		}
		t.floor = t.holes[0].counter + 1
		t.holed = copy(t.holes[:], t.holes[1:])
	}
	t.holes[t.holed] = hole{counter: t.low, passed: now}
	t.holed++
	return true
}

// track is that of the id's producer, or nil.
func (r *Rising) track(id uint64) *Track {
	if producer := id >> event.CounterBits; r.last.producer != producer+1 {
		return r.find(producer)
	}
	return r.last
}

// find is track for another producer than the last.
//
//go:noinline
func (r *Rising) find(producer uint64) *Track {
	first := mix(producer) >> 32
	for i := range uint64(probesMax) {
		if at := r.place(first + i); r.index[at].producer == uint32(producer)+1 {
			r.last = &r.tracks[at]
			return r.last
		}
	}
	return nil
}

// place is that of a track; a producer's are the four from where its mixed number
// points.
func (r *Rising) place(i uint64) uint64 { return i & uint64(len(r.tracks)-1) }

// adopt gives the id's producer a track that is not in use, or has not been for a
// window; nil if there is none. Then there is none for the rest of the generation
// either, for a track that is used is not given away sooner.
func (r *Rising) adopt(id uint64) *Track {
	producer, now := id>>event.CounterBits, r.table.generation.Load()
	first := mix(producer) >> 32
	crowded := &r.index[r.place(first)].crowded
	if *crowded == uint32(now)+1 {
		return nil
	}
	for i := range uint64(probesMax) {
		at := r.place(first + i)
		t := &r.tracks[at]
		if t.producer != 0 && now-t.used <= r.window {
			continue
		}
		r.turned = max(r.turned, t.until)
		r.index[at].producer = uint32(producer) + 1
		*t = Track{producer: producer + 1, used: now, floor: counter(id), low: counter(id)}
		if now < r.turned { // the table may know any of its ids
			t.spilled, t.until = 1<<event.CounterBits, r.turned
		}
		return t
	}
	*crowded, r.turned = uint32(now)+1, now+r.window+1
	return nil
}
