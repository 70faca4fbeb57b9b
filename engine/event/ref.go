package event

import "fmt"

// Ref is the handle of an event: where its slot lies, and what a stage must
// know of it without touching its bytes. 0 is no event.
//
//	bits  0-31  line: the slot's offset in its arena, in cache lines
//	bits 32-37  pool: whose slot it is
//	bits 38-39  class: which size class
//	bits 40-42  priority, the effective one
//	bits 43-55  generation: how often the slot was handed out, so that a
//	            stale Ref is told from a live one
//	bits 56-63  always 0: a queue may use them for its own marks
type Ref uint64

// RefBits is how many bits of a Ref are in use, from the lowest.
const RefBits = 56

// Limits of a Ref's fields.
const (
	MaxPools   = 1 << 6
	MaxClasses = 1 << 2
	MaxLines   = 1 << 32

	generationAt   = 43
	generationMask = 1<<13 - 1
)

// NewRef makes the handle of the slot at the given line.
func NewRef(line uint32, pool, class uint8) Ref {
	return Ref(line) | Ref(pool)<<32 | Ref(class)<<38
}

// Line is the slot's offset in its arena, in cache lines.
func (r Ref) Line() uint32 { return uint32(r) }

// Pool is the number of the pool that owns the slot.
func (r Ref) Pool() uint8 { return uint8(r>>32) & (MaxPools - 1) }

// Class is the slot's size class.
func (r Ref) Class() uint8 { return uint8(r>>38) & (MaxClasses - 1) }

// Priority is the event's effective priority.
func (r Ref) Priority() Priority { return Priority(r>>40) & 7 }

// WithPriority is r with its priority set.
func (r Ref) WithPriority(p Priority) Ref { return r&^(7<<40) | Ref(p)<<40 }

// Generation counts the times the slot was handed out, modulo 8192.
func (r Ref) Generation() uint16 { return uint16(r>>generationAt) & generationMask }

// Next is r as it is to be handed out the next time.
func (r Ref) Next() Ref {
	return r&^(generationMask<<generationAt|7<<40) | (r>>generationAt+1)&generationMask<<generationAt
}

func (r Ref) String() string {
	return fmt.Sprintf("pool %d class %d line %d %v generation %d", r.Pool(), r.Class(), r.Line(), r.Priority(), r.Generation())
}
