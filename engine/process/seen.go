package process

import (
	"fmt"
	"math/bits"
	"time"
	"unsafe"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/queue"
)

// generations is how many parts a dedup window is forgotten in: an id is
// remembered for the window, and for a sixteenth of it more at most.
const generations = 16

// sweepEvery is how often a portion of the table is swept: one that takes some
// microseconds.
const sweepEvery = 100 * time.Millisecond

// Seen remembers the ids of the events that succeeded, for a window of time, in
// a fixed piece of memory. Its table may be used by many; the time is kept by
// the processor that owns it.
//
// Ids of producer 0 are the server's own, given on receipt, so no sender can
// repeat one: they are not remembered, and not looked for.
type Seen struct {
	*queue.Dedup
	Window time.Duration

	generation cpu.Ticks // its length
	sweep      cpu.Ticks
	share      int // lines a sweep
	turnAt     cpu.Ticks
	sweepAt    cpu.Ticks
	caught     int                      // generations turned while the log was looked through
	short      func(held time.Duration) // told once that memory is short; then nil
}

// Memory is what ids are remembered with.
type Memory struct {
	// Bytes of the table, a power of two from 128 KiB to 64 GiB, default 64 MiB.
	// Eight bytes an id: when there is no room for those of a window, the oldest
	// go before their time, and one that comes again then is taken for new.
	Bytes int
	// Window is how long an id is remembered: 1 s to 24 h, default 1 h.
	Window time.Duration
}

// DefaultMemory is 64 MiB for an hour: 8 million ids.
func DefaultMemory() Memory { return Memory{Bytes: 64 << 20, Window: time.Hour} }

const memoryMax = 64 << 30

// Validate says what is out of range, or returns nil.
func (m Memory) Validate() error {
	least := 8 * queue.MinDedupWords(generations)
	if m.Bytes < least || m.Bytes > memoryMax || bits.OnesCount(uint(m.Bytes)) != 1 {
		return fmt.Errorf("dedup memory: %d bytes must be a power of two from %d to %d", m.Bytes, least, memoryMax)
	}
	if m.Window < time.Second || m.Window > 24*time.Hour {
		return fmt.Errorf("dedup window: %v must be 1s to 24h", m.Window)
	}
	return nil
}

// NewSeen makes an empty memory. Short is called once, if it turns out too
// small for its window, on the thread of the processor that owns it.
func NewSeen(m Memory, clock cpu.Clock, short func(held time.Duration)) *Seen {
	words := make([]uint64, m.Bytes/8+cpu.CacheLine/8) // holds no pointers: the collector does not look into it
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(words))) % cpu.CacheLine / 8
	s := &Seen{
		Dedup:      queue.NewDedup(words[skip:][:m.Bytes/8], generations),
		Window:     m.Window,
		generation: clock.Ticks(m.Window.Nanoseconds() / generations),
		sweep:      clock.Ticks(sweepEvery.Nanoseconds()),
		short:      short,
	}
	lines, portions := m.Bytes/cpu.CacheLine, max(1, int(m.Window/sweepEvery))
	s.share = 2*lines/portions + 1 // twice round a window, so that a turn never waits for it
	return s
}

// Held is the window really held of late: shorter than Window when memory was
// too small for what came.
func (s *Seen) Held() time.Duration {
	return s.Window * time.Duration(s.Dedup.Held()) / generations
}

// keep keeps the time: it turns the generation and sweeps, when either is due.
func (s *Seen) keep(now cpu.Ticks) {
	if now < s.sweepAt {
		return
	}
	if s.turnAt == 0 {
		s.turnAt = now + s.generation
	}
	s.sweepAt = now + s.sweep
	s.Sweep(s.share)
	if now >= s.turnAt {
		s.Advance()
		s.turnAt += s.generation
	}
	if s.short != nil && s.Dedup.Held() < generations {
		s.short(s.Held())
		s.short = nil
	}
}

// numbered reports whether the id is its sender's, so that it may come again.
func numbered(id uint64) bool { return id>>counterBits != 0 }

const counterBits = 40

// Remember takes in the id of a record of the log, of the given age from the
// begin of the window that is looked through, oldest first; it says how many ids
// that were, none or one. Before any processor runs.
func (s *Seen) Remember(id uint64, into time.Duration) int {
	s.CatchUp(into)
	if !numbered(id) {
		return 0
	}
	s.Insert(id)
	return 1
}

// CatchUp turns the generations up to a point in the window looked through.
func (s *Seen) CatchUp(into time.Duration) {
	for due := int(into * generations / s.Window); s.caught < due; s.caught++ {
		s.Advance()
	}
}
