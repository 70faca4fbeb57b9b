package process

import (
	"fmt"
	"math/bits"
	"time"
	"unsafe"

	"eventstreamcore/engine/bus"
	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/queue"
)

// generations is how many parts a dedup window is forgotten in: an id is
// remembered for the window, and for a sixteenth of it more at most.
const generations = 16

// sweepEvery is how often a portion of the table is swept: one that takes some
// microseconds.
const sweepEvery = 100 * time.Millisecond

// Seen remembers the ids of the events that succeeded, for a window of time, in
// a fixed piece of memory: a table, which many may use, and before it a part for
// each sub-lane, for the producers that come through it and count up. The time
// is kept by the processor of the first part.
//
// Ids of producer 0 are the server's own, given on receipt, so no sender can
// repeat one: they are not remembered, and not looked for.
type Seen struct {
	*queue.Dedup
	Window time.Duration

	parts      []Part
	generation cpu.Ticks // its length
	sweep      cpu.Ticks
	share      int // lines a sweep
	turnAt     cpu.Ticks
	sweepAt    cpu.Ticks
	caught     int                      // generations turned while the log was looked through
	short      func(held time.Duration) // told once that memory is short; then nil
}

// Part remembers the ids of the producers of one sub-lane. It is its processor's.
type Part struct {
	*queue.Rising
	clock *Seen // whose time it keeps; nil but in the first
}

// Memory is what ids are remembered with.
type Memory struct {
	// Bytes of the table, a power of two from 128 KiB to 64 GiB, default 64 MiB.
	// Eight bytes an id: when there is no room for those of a window, the oldest
	// go before their time, and one that comes again then is taken for new.
	Bytes int
	// Window is how long an id is remembered: 1 s to 24 h, default 1 h.
	Window time.Duration
	// Producers is how many may be known by how far they have counted, which
	// takes no room in the table but for what comes out of order by more than
	// 1,024: a power of two from 64 to 1,048,576, default 4,096, of 440 bytes each.
	Producers int
}

// DefaultMemory is 64 MiB for an hour: 8 million ids, and 4,096 producers.
func DefaultMemory() Memory { return Memory{Bytes: 64 << 20, Window: time.Hour, Producers: 4096} }

const (
	memoryMax    = 64 << 30
	producersMin = 64
	producersMax = 1 << 20
)

// Validate says what is out of range, or returns nil.
func (m Memory) Validate() error {
	least := 8 * queue.MinDedupWords(generations)
	if m.Bytes < least || m.Bytes > memoryMax || bits.OnesCount(uint(m.Bytes)) != 1 {
		return fmt.Errorf("dedup memory: %d bytes must be a power of two from %d to %d", m.Bytes, least, memoryMax)
	}
	if m.Window < time.Second || m.Window > 24*time.Hour {
		return fmt.Errorf("dedup window: %v must be 1s to 24h", m.Window)
	}
	if m.Producers < producersMin || m.Producers > producersMax || m.Producers&(m.Producers-1) != 0 {
		return fmt.Errorf("dedup producers: %d must be a power of two from %d to %d", m.Producers, producersMin, producersMax)
	}
	return nil
}

// NewSeen makes an empty memory, of a part for each sub-lane. Short is called once, if it turns out too
// small for its window, on the thread of the processor that owns it.
func NewSeen(m Memory, sublanes int, clock cpu.Clock, short func(held time.Duration)) *Seen {
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
	for range sublanes {
		s.parts = append(s.parts, Part{Rising: queue.NewRising(make([]queue.Track, m.Producers/sublanes), s.Dedup)})
	}
	s.parts[0].clock = s
	return s
}

// Part is that of the i-th sub-lane.
func (s *Seen) Part(i int) *Part { return &s.parts[i] }

// Held is the window really held of late: shorter than Window when memory was
// too small for what came.
func (s *Seen) Held() time.Duration {
	return s.Window * time.Duration(s.Dedup.Held()) / generations
}

func (p *Part) keep(now cpu.Ticks) {
	if p.clock != nil {
		p.clock.keep(now)
	}
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
func numbered(id uint64) bool { return id>>event.CounterBits != 0 }

// Remember takes in the id of a record of the log, of the given age from the
// begin of the window that is looked through, oldest first; it says how many ids
// that were, none or one. Before any processor runs.
func (s *Seen) Remember(id uint64, into time.Duration) int {
	s.CatchUp(into)
	if !numbered(id) {
		return 0
	}
	s.parts[bus.Sublane(id>>event.CounterBits, len(s.parts))].Insert(id)
	return 1
}

// CatchUp turns the generations up to a point in the window looked through.
func (s *Seen) CatchUp(into time.Duration) {
	for due := int(into * generations / s.Window); s.caught < due; s.caught++ {
		s.Advance()
	}
}
