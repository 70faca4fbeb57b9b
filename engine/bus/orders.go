package bus

import (
	"sync/atomic"

	"eventstreamcore/engine/event"
)

// Orders are what the controller tells the dispatcher, which obeys at its next
// step. Any goroutine may give and read them.
type Orders struct{ word atomic.Uint32 }

// Order is what is to be done; the zero Order is nothing out of the ordinary.
type Order struct {
	Least             event.Priority // give up on events of a lower priority than this
	PauseTransactions bool           // hold whoever sends transactions
}

const pauseBit = 1 << 8

// Give replaces the order.
func (o *Orders) Give(order Order) {
	word := uint32(order.Least)
	if order.PauseTransactions {
		word |= pauseBit
	}
	o.word.Store(word)
}

// Given is the order in force.
func (o *Orders) Given() Order {
	word := o.word.Load()
	return Order{Least: event.Priority(word), PauseTransactions: word&pauseBit != 0}
}
