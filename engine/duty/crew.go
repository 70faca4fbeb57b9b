package duty

import (
	"sync/atomic"

	"eventstreamcore/engine/cpu"
)

// Crew is a set of workers that some threads share out among themselves. Each
// thread runs a Member of it; the first is at home there, the others help out
// when they are called.
//
// Ownership. A worker has a seat, and only the member that holds the seat steps
// the worker. An order says how many members are at work, which says whose each
// seat is to be: seat i is that of member i modulo their number. A member whose
// seat is another's by the present order leaves it between two of its Steps; the
// one whose it is takes it when it is left. So a worker is never stepped by two
// members, everything that it did at one happens before what it does at the next,
// and orders may follow each other faster than they are carried out.
//
// Progress. A seat that is left is nobody's until the member that is to have it
// next takes a Step; a thread that sleeps is woken for it. Where nothing is
// ordered a member pays one load for each Step.
type Crew struct {
	order atomic.Uint64 // how many orders there were, and in the lowest byte how many members are at work

	_       cpu.Pad
	seats   []seat
	members []Member
}

type seat struct {
	holder atomic.Int32 // the member's number, or left
	_      cpu.Pad
	worker Worker
}

const left = -1

// Member is a worker: one thread's part of a crew.
type Member struct {
	crew   *Crew
	number int
	bell   *Bell

	order   uint64   // the last that it carried out
	wanting int      // seats that are to be its own and are not left yet
	mine    []Worker // of the seats that it holds
}

// NewCrew makes a member for each of the bells, which are their threads' (1 to
// 255). The first holds all seats.
func NewCrew(workers []Worker, bells ...*Bell) *Crew {
	c := &Crew{seats: make([]seat, len(workers)), members: make([]Member, len(bells))}
	c.order.Store(1)
	for i, w := range workers {
		c.seats[i].worker = w
	}
	for i, b := range bells {
		c.members[i] = Member{crew: c, number: i, bell: b, order: 1, mine: make([]Worker, 0, len(workers))}
	}
	c.members[0].mine = append(c.members[0].mine, workers...)
	return c
}

// Member is the i-th: 0 is at home.
func (c *Crew) Member(i int) *Member { return &c.members[i] }

// Work orders so many members to work, 1 to all of them. One goroutine gives
// orders.
func (c *Crew) Work(members int) {
	const count = 1<<8 - 1
	order := c.order.Load()
	if int(order&count) == members {
		return
	}
	c.order.Store(order&^count + count + 1 + uint64(members))
	for i := range c.members {
		c.members[i].bell.Ring()
	}
}

// heir is whose a seat is by an order.
func heir(seat int, order uint64) int { return seat % int(order&(1<<8-1)) }

// Step steps the workers whose seats the member holds. A helper that holds some
// is never idle: it was called because there is too much to do, and the bells of
// what it took over are those of its home.
func (m *Member) Step(now cpu.Ticks) (work int) {
	if order := m.crew.order.Load(); order != m.order || m.wanting > 0 {
		work = m.change(order)
	}
	for _, w := range m.mine {
		work += w.Step(now)
	}
	if m.number > 0 {
		work += len(m.mine)
	}
	return work
}

// Due is the first that is due of the workers whose seats the member holds.
func (m *Member) Due(now cpu.Ticks) (first cpu.Ticks) {
	for _, w := range m.mine {
		if at := due(w, now); at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// change carries the order out as far as it can be, and counts the seats that
// were left or taken.
func (m *Member) change(order uint64) (changed int) {
	m.order, m.wanting, m.mine = order, 0, m.mine[:0]
	for i := range m.crew.seats {
		s := &m.crew.seats[i]
		holds, should := s.holder.Load() == int32(m.number), heir(i, order) == m.number
		switch {
		case holds && !should:
			m.leave(s, i)
			changed++
			continue
		case !holds && should && s.holder.CompareAndSwap(left, int32(m.number)):
			changed++
		case !should:
			continue
		case !holds:
			m.wanting++
			continue
		}
		m.mine = append(m.mine, s.worker)
	}
	return changed
}

// leave leaves the seat, and wakes whose it is by the order of that moment: if
// that member looked before, and sleeps, the order that it went by is seen here.
func (m *Member) leave(s *seat, i int) {
	s.holder.Store(left)
	m.crew.members[heir(i, m.crew.order.Load())].bell.Ring()
}
