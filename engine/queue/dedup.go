package queue

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"eventstreamcore/engine/cpu"
)

// Dedup remembers 64-bit ids for a window of time, in a fixed piece of memory.
//
// Shape. Any number of goroutines claim, commit, abort, insert and look up; one
// at a time keeps the time (Advance, Sweep). The memory is lines of eight words;
// an id has its place in one line, where the ninth pushes out the first. When
// that happens before the first has served its window, the window really held is
// shorter than asked for, which Held tells: ids seen not so long ago are Fresh again.
//
// What it never does. It never calls an id known that is not: a word holds all
// of the id that its line's number does not say, so there is nothing to mistake
// it for. It never calls an id known because a race was lost or a line is full.
// It never forgets a claim in flight: if a line has eight of them, the next is
// Crowded, and the caller goes on without the table or comes back. It never adds
// an id twice, however long a caller sleeps between two instructions, short of the
// window.
//
// A word. The id goes through a bijection; the top bits of the result are the
// number of the line, the others, the rest, are kept. That leaves as many bits
// as there are bits in a line's number for, from the top down:
//
//	side    1 bit, flips with every rewrite of the word
//	state   2 bits: dead, claimed, committed
//	tag     the generation that its age counts from, modulo two windows or more
//	serial  with the side, counts the rewrites of the word under one tag
//	rest    what the line's number does not say of the id
//
// A line is a ring that needs no index. Its words are rewritten in order, and
// each rewrite flips the side, so the next to be rewritten, the edge, is the first
// whose side differs from that of word 0; if none does, it is word 0.
//
//	sides  1 1 1 0 0 0 0 0    word 3 is next
//	sides  0 0 0 0 0 0 0 0    word 0 is next
//
// At the edge a word that is not in use gives way to the new one. One that is in
// use is rewritten as it was, but for its side, and the edge moves on, as long as
// there is a word in the line that is not; then an id is pushed out, but never a
// claim. Where there are nothing but claims, the new one is Crowded.
//
// Otherwise only the state of a word changes, and only downhill: from claimed to
// committed or dead, from committed to dead. What is older than the window counts as
// dead. So an id can appear in a line in one way only, by a compare-and-swap on the
// word at the edge.
//
// Why an id cannot be added twice. Put reads words 0 to 7 in order, does not find
// the id, and counts k of them on word 0's side, itself included. It reads word k
// again and finds it on the other side, reads word 0 again and finds it unchanged,
// and then swaps word k for the new one, if that is unchanged too. (If k is 8 the
// edge has reached the end, which is word 0, and that is the one to swap.)
//
//   - Word 0 was not rewritten. So in that time the edge only moved up, to the end
//     at most, and a word was on word 0's side from when the edge got past it.
//   - When word k was read again the edge had not got past it. So nothing from k
//     on had been met on word 0's side: the k words that were are 0 to k-1. When
//     word k-1 was read the edge was past it, so it was at k, and it stayed there:
//     whoever adds an id must rewrite word k first.
//   - Hence words 0 to k-1 had had their turn when they were read, those above k
//     were read while the edge stood still, and at the swap the line was as it was
//     read, and did not hold the id.
//
// Without the second look at word 0 it would be wrong: a reader that sleeps between
// word 0 and word 1 while the edge goes round twice finds every side as it should
// be. Without the second look at word k it would be wrong too: an edge that starts
// to run while the words are read can leave k of them behind it, but not the first.
//
// Not to find an id needs none of this: one that is there throughout the look-up
// stays in its word and is met.
//
// "Unchanged" is judged by value, and that is enough because no word has the same
// value twice. Its tag never goes back. Under one tag the serial goes up with every
// second rewrite, from side 1 to side 0; where it would overflow under the present
// tag, the word is not rewritten, and ids are Crowded until the next generation. A
// line so takes some 8*(2^(serial bits + 1) - 1) ids in one generation: 56 in the
// smallest table, seven times what it can hold; 4,088 in 64 MiB with a window of 60.
// (Tags come round after two windows; no call is taken to last that long.)
//
// Layout. The caller's words hold the lines. In the struct: settings, written by
// NewDedup only; now and youngest, read by everybody and written once a
// generation or so; the count of evictions, written whenever one happens; the
// keeper's own.
//
// Progress. Look-ups are wait-free: eight loads. All else is lock-free: it starts
// again only if another call changed the line, or, seven times at most, when it has
// moved the edge past a word that stays. A caller that stalls in mid-call holds up
// nobody, for what it has not swapped in does not exist.
type Dedup struct {
	_      cpu.Pad
	lines  unsafe.Pointer // *[1 << (64-shift)]line
	rest   uint64         // mask of the rest
	serial uint64         // mask of the serial
	tag    uint64         // mask of the tag
	window uint64         // the oldest live age, as a tag
	shift  uint8          // a mixed id, shifted right by this, is the number of its line
	tagAt  uint8          // the bit where a tag starts
	_      cpu.Pad

	generation atomic.Uint64
	now        atomic.Uint64 // the generation as a tag, and 1 in every bit below
	youngest   atomic.Uint64 // least age, as a tag, that was pushed out in this generation; beyond window is none
	before     atomic.Uint64 // the same of the generation before
	_          cpu.Pad

	evictions atomic.Uint64
	_         cpu.Pad

	keeper keeper
	_      cpu.Pad
}

// line is one cache line of the table.
type line [lineWords]atomic.Uint64

const lineWords = cpu.CacheLine / 8

// Outcome is what the table makes of an id.
type Outcome uint8

// The outcomes.
const (
	Fresh     Outcome = iota // not known until now: it is the caller's
	Duplicate                // committed before, within the window
	InFlight                 // claimed by another, who has not yet said how it went
	Crowded                  // not known, and no room for it at the moment
)

func (o Outcome) String() string {
	return [...]string{"fresh", "duplicate", "in flight", "crowded"}[o]
}

// The side and the state of a word. Memory that was never written is dead.
const (
	sideBit = 1 << 63

	dead      uint64 = 0 << stateAt
	claimed   uint64 = 1 << stateAt
	committed uint64 = 2 << stateAt
	stateMask uint64 = 3 << stateAt
	stateAt          = 61
)

// NewDedup makes a table of the words, which it zeroes: a power of two of them,
// starting on a cache line, MinDedupWords(window) or more. An id is remembered
// for window whole generations, and for what was left of the one it came in.
func NewDedup(words []uint64, window int) *Dedup {
	mustBePowerOfTwo("words", len(words))
	if window < 1 || len(words) < MinDedupWords(window) {
		panic(fmt.Sprintf("queue: %d words cannot remember ids for %d generations: give 1 generation or more, and %d words or more",
			len(words), window, MinDedupWords(max(1, window))))
	}
	base := unsafe.Pointer(unsafe.SliceData(words))
	if uintptr(base)%cpu.CacheLine != 0 {
		panic(fmt.Sprintf("queue: words at %p: give memory that starts on a cache line", base))
	}
	clear(words)
	lines, spare := len(words)/lineWords, len(words)/MinDedupWords(window)
	restBits := 65 - bits.Len(uint(lines))
	tagAt := stateAt - tagBitsMin(window) - min(tagBitsMore, bits.Len(uint(spare))/2)
	d := &Dedup{
		lines:  base,
		rest:   1<<restBits - 1,
		serial: 1<<tagAt - 1<<restBits,
		tag:    1<<stateAt - 1<<tagAt,
		window: uint64(window) << tagAt,
		shift:  uint8(restBits),
		tagAt:  uint8(tagAt),
		keeper: keeper{lines: lines},
	}
	d.keepTime(0)
	d.youngest.Store(d.tag)
	d.before.Store(d.tag)
	return d
}

// tagBitsMin is how wide a tag must be to count past two windows: one in which ids
// live, one for the sweep to get round in (see Advance).
func tagBitsMin(window int) int { return bits.Len(uint(window)) + 1 }

const (
	// tagBitsMore is by how much tags are wider in larger tables, up to eight windows
	// and more, which leaves the sweep less to do. Serials take the bits that are left.
	tagBitsMore   = 2
	serialBitsMin = 2
)

// MinDedupWords is the least memory, in words of 8 bytes, whose line numbers
// leave room beside the rest for side, state, tag, and a serial of two bits: 32,768
// words, 256 KiB, for a window of 60.
func MinDedupWords(window int) int {
	return lineWords << (64 - stateAt + tagBitsMin(window) + serialBitsMin)
}

// Claim makes id the caller's if it is Fresh: until Commit or Abort, which the
// caller owes, anyone else finds it InFlight. A claim that is not settled within
// the window dies.
func (d *Dedup) Claim(id uint64) Outcome { return d.put(mix(id), claimed) }

// Insert is Claim and Commit at once, for what cannot fail.
func (d *Dedup) Insert(id uint64) Outcome { return d.put(mix(id), committed) }

// Commit turns the caller's claim on id into a memory of it; the window counts from
// the claim. It is false if there is no such claim, or no longer.
func (d *Dedup) Commit(id uint64) bool { return d.settle(mix(id), committed) }

// Abort gives up the caller's claim on id: the next to come with it finds it
// Fresh. It is false if there is no such claim, or no longer.
func (d *Dedup) Abort(id uint64) bool { return d.settle(mix(id), dead) }

// Contains reports whether id was committed within the window.
func (d *Dedup) Contains(id uint64) bool { return d.look(mix(id)) == Duplicate }

// mix is a bijection in which every bit of id bears on the top bits of the
// result (two rounds of xor-shift and multiply, with the constants of Steele,
// Lea and Flood's SplitMix64).
func mix(id uint64) uint64 {
	id = (id ^ id>>30) * 0xbf58476d1ce4e5b9
	return (id ^ id>>27) * 0x94d049bb133111eb
}

// line is where a mixed id has its place.
func (d *Dedup) line(m uint64) *line { return d.lineAt(m >> (d.shift & 63)) }

func (d *Dedup) lineAt(n uint64) *line { return (*line)(unsafe.Add(d.lines, n*cpu.CacheLine)) }

// look is what the table knows of a mixed id.
func (d *Dedup) look(m uint64) Outcome {
	l, rest := d.line(m), d.rest
	for i := range l {
		if w := l[i].Load(); (w^m)&rest == 0 {
			if o := d.outcome(w); o != Fresh {
				return o
			}
		}
	}
	return Fresh
}

// put adds a mixed id in the given state, unless it is there.
func (d *Dedup) put(m, state uint64) Outcome {
	l, rest := d.line(m), d.rest
	for {
		first, ones := l[0].Load(), uint64(0)
		for i := range l {
			w := l[i].Load()
			if (w^m)&rest == 0 {
				if o := d.outcome(w); o != Fresh {
					return o
				}
			}
			ones += w >> 63
		}
		k := edge(first>>63, ones)
		old := l[k].Load()
		if l[0].Load() != first || (old^first)>>63 != (k+lineWords-1)/lineWords {
			continue // the line moved on: see above
		}
		now := d.now.Load()
		next, serial, keep, stuck := d.word(m, state, now), d.count(old), false, false
		if d.age(old, now) != 0 {
			serial = 0
		}
		live := d.live(old, now)
		if live {
			if keep, stuck = d.survey(l, old, now); keep { // it stays, and has had its turn
				next, serial = d.again(old, now)
			}
		}
		if serial > d.serial {
			return Crowded
		}
		if !l[k].CompareAndSwap(old, next|serial|^old&sideBit) {
			continue
		}
		if keep && !stuck {
			continue
		}
		if keep {
			return Crowded
		}
		if live {
			d.evicted(d.age(old, now))
		}
		return Fresh
	}
}

// edge is the word to be rewritten next, given the side of word 0 and on how many
// of the words it is 1: as many words are on word 0's side, modulo eight.
func edge(side, ones uint64) uint64 {
	return (ones ^ (side - 1) - (side - 1)) % lineWords // ones, or -ones when side is 0
}

// word is an id's word but for side and serial.
func (d *Dedup) word(m, state, now uint64) uint64 { return state | now&d.tag | m&d.rest }

// count is the serial that follows w's under the same tag. One larger than the mask
// is one too many.
func (d *Dedup) count(w uint64) uint64 { return w&d.serial + -(w>>63)&(d.rest+1) }

// again is the word and the serial for keeping what is in w. When the serial is used
// up it goes on under the present tag: its id is then remembered for longer than was
// asked.
func (d *Dedup) again(w, now uint64) (next, serial uint64) {
	if serial = d.count(w); serial > d.serial && d.age(w, now) != 0 {
		return d.word(w, w&stateMask, now), 0
	}
	return w &^ (d.serial | sideBit), serial
}

// age is that of w, as a tag: the ones in now below the tag leave nothing to borrow.
// The word must be loaded before now is, or it could be younger than now.
func (d *Dedup) age(w, now uint64) uint64 { return (now - w) & d.tag }

// live reports whether w is in use.
func (d *Dedup) live(w, now uint64) bool { return w&stateMask != dead && d.age(w, now) <= d.window }

// outcome is what a word just loaded says of the id that it holds. It is kept out
// of the loops that call it, which nearly always find nothing: they are a fifth
// faster so.
//
//go:noinline
func (d *Dedup) outcome(w uint64) Outcome {
	switch {
	case !d.live(w, d.now.Load()):
		return Fresh
	case w&stateMask == claimed:
		return InFlight
	}
	return Duplicate
}

// survey tells whether the word at the edge, which is live, must be kept, and
// whether the line is stuck: eight claims in flight. What it tells was so at the
// moment when it began, provided that the word at the edge is not rewritten until
// the swap: then no other was either, and states go only downhill.
func (d *Dedup) survey(l *line, edge, now uint64) (keep, stuck bool) {
	tag, window, states := d.tag, d.window, uint64(0)
	for i := range l {
		w := l[i].Load()
		if w&stateMask == dead || (now-w)&tag > window {
			return true, false
		}
		states |= w
	}
	return edge&stateMask == claimed, states&committed == 0
}

// settle gives the claim on a mixed id its final state. The word stays where it
// is; the swap fails only because the word had its turn as the edge, and then it
// is tried again.
func (d *Dedup) settle(m, state uint64) bool {
	l := d.line(m)
	for i := range l {
		for {
			w := l[i].Load()
			if (w^m)&d.rest != 0 || d.outcome(w) != InFlight {
				break
			}
			if l[i].CompareAndSwap(w, w&^stateMask|state) {
				return true
			}
		}
	}
	return false
}

// evicted notes that an id was pushed out at this age, within its window.
func (d *Dedup) evicted(age uint64) {
	d.evictions.Add(1)
	for {
		y := d.youngest.Load()
		if age >= y || d.youngest.CompareAndSwap(y, age) {
			return
		}
	}
}
