package memory

import (
	"fmt"

	"eventstreamcore/engine/cpu"
	"eventstreamcore/engine/event"
)

// Class is one size of slot.
type Class struct {
	Size  int // bytes, header included; a multiple of the cache line
	Count int // slots
}

// Classes are a pool's slot sizes, ascending.
type Classes [event.MaxClasses]Class

// DefaultClasses holds 131,072 small events, and ever fewer of the larger ones,
// up to a whole frame of 1 MiB with its header: 81 MiB a pool.
func DefaultClasses() Classes {
	return Classes{{256, 131_072}, {2 << 10, 8_192}, {64 << 10, 256}, {1<<20 + 4<<10, 16}}
}

// Validate judges sizes and counts.
func (c Classes) Validate() error {
	previous := 0
	for i, class := range c {
		if class.Size < 2*cpu.CacheLine || class.Size%cpu.CacheLine != 0 || class.Size <= previous {
			return fmt.Errorf("pool class %d: size %d must be a multiple of %d, at least %d and larger than the class before it", i, class.Size, cpu.CacheLine, 2*cpu.CacheLine)
		}
		if class.Count < 1 || class.Count > 1<<24 {
			return fmt.Errorf("pool class %d (%d bytes): count %d must be 1 to %d", i, class.Size, class.Count, 1<<24)
		}
		previous = class.Size
	}
	return nil
}

// Bytes is the memory that a pool of these classes takes from its arena.
func (c Classes) Bytes() (n int) {
	for _, class := range c {
		n += class.Size * class.Count
	}
	return roundUp(n, pageSize)
}

// Slots is how many slots a pool of these classes has, in all sizes.
func (c Classes) Slots() (n int) {
	for _, class := range c {
		n += class.Count
	}
	return n
}

// Returns is the way home for slots that other threads let go of: any may push,
// the pool's owner pops. It must have room for every slot of the pool, so that
// a push never fails. (It is an interface because a queue is no business of a
// pool; it is called once a batch.)
type Returns interface {
	PushBatch([]event.Ref) int
	PopBatch([]event.Ref) int
}

// Pool hands out slots of its arena.
//
// One goroutine owns it and alone calls Acquire, Release and Reclaim; others
// give slots back by Return. A slot is in exactly one place: on a free stack,
// on its way in returns, or out with whoever holds its Ref. The free lists are
// stacks, so that the slot handed out next is the one most likely still cached.
type Pool struct {
	free    [event.MaxClasses]stack
	sizes   [event.MaxClasses]int
	arena   *Arena
	returns Returns
	home    [reclaimBatch]event.Ref
	out     map[uint32]uint16 // when checked: line -> generation handed out
	memory  []byte
}

const reclaimBatch = 256

type stack struct {
	refs []event.Ref
	top  int
}

// NewPool carves a pool out of the arena and fills it. Its number, id, is part
// of every Ref of it. With node >= 0 its pages are bound to that NUMA node.
func NewPool(a *Arena, id, node int, classes Classes, returns Returns) (*Pool, error) {
	if id < 0 || id >= event.MaxPools {
		return nil, fmt.Errorf("pool %d: a Ref has room for pools 0 to %d", id, event.MaxPools-1)
	}
	if err := classes.Validate(); err != nil {
		return nil, err
	}
	start := a.carved
	line, err := a.carve(classes.Bytes(), node)
	if err != nil {
		return nil, err
	}
	p := &Pool{arena: a, returns: returns, memory: a.bytes[start:a.carved]}
	if checked {
		p.out = make(map[uint32]uint16)
	}
	for i, class := range classes {
		p.sizes[i] = class.Size
		p.free[i] = newStack(line, uint8(id), uint8(i), class)
		line += uint32(class.Size * class.Count / cpu.CacheLine)
	}
	return p, nil
}

// newStack is full, with the lowest slot on top.
func newStack(line uint32, pool, class uint8, c Class) stack {
	s := stack{refs: make([]event.Ref, c.Count), top: c.Count}
	for i := range s.refs {
		slot := c.Count - 1 - i
		s.refs[i] = event.NewRef(line+uint32(slot*c.Size/cpu.CacheLine), pool, class)
	}
	return s
}

// Acquire hands out a slot of at least size bytes (event.SizeOf), or 0 and nil
// when none is free or size is larger than the largest class. Its content is
// what its last event left.
func (p *Pool) Acquire(size int) (event.Ref, *event.Header) {
	class := 0
	for size > p.sizes[class] {
		if class++; class == len(p.sizes) {
			return 0, nil
		}
	}
	s := &p.free[class]
	top := s.top - 1
	if uint(top) >= uint(len(s.refs)) {
		return 0, nil
	}
	s.top = top
	r := s.refs[top]
	if checked {
		p.out[r.Line()] = r.Generation()
	}
	return r, p.arena.At(r)
}

// Release takes back a slot that the owner held to its end.
func (p *Pool) Release(r event.Ref) {
	if checked {
		p.mustBeOut(r)
	}
	s := &p.free[r.Class()]
	s.refs[s.top] = r.Next()
	s.top++
}

// Return sends slots home from any thread.
func (p *Pool) Return(rs []event.Ref) {
	for len(rs) > 0 {
		n := p.returns.PushBatch(rs)
		if n == 0 {
			panic(fmt.Sprintf("memory: the way home is full with %d slots to return: more came back than went out", len(rs)))
		}
		rs = rs[n:]
	}
}

// Reclaim puts the slots that came home on the free stacks and says how many:
// at most 256 a call, so that a step stays short.
func (p *Pool) Reclaim() int {
	n := p.returns.PopBatch(p.home[:])
	for _, r := range p.home[:n] {
		p.Release(r)
	}
	return n
}

// Free is how many slots of class i are on the free stack; the owner's to call.
func (p *Pool) Free(i int) int { return p.free[i].top }

// Largest is the size in bytes of the largest slot.
func (p *Pool) Largest() int { return p.sizes[len(p.sizes)-1] }

// Nodes counts the pool's pages by the NUMA node they are found on.
func (p *Pool) Nodes() (map[int]int, error) { return Nodes(p.memory) }

func (p *Pool) mustBeOut(r event.Ref) {
	if generation, ok := p.out[r.Line()]; !ok || generation != r.Generation() {
		panic(fmt.Sprintf("memory: %v came home, but is not out", r))
	}
	delete(p.out, r.Line())
}
