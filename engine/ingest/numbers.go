package ingest

import "sync/atomic"

// Numbers gives out the server's own ids: producer 0 and a counter of 40 bits,
// one for all intakes, that must go on where the log's last hour ended, for an
// id is also what an event is recognised by. Each Intake takes a block at a
// time, so that they meet here once in 4096 events; a block that is not used up
// leaves a gap.
type Numbers struct{ next atomic.Uint64 }

const (
	blockOf     = 1 << 12   // ids a block
	counterMask = 1<<40 - 1 // the counter's share of an id
	firstNumber = blockOf   // 0 is no id
)

// NewNumbers starts behind last, the highest counter used so far, or 0.
func NewNumbers(last uint64) *Numbers {
	n := new(Numbers)
	n.next.Store(max(firstNumber, last/blockOf*blockOf+blockOf))
	return n
}

// block takes the ids from first to end-1; after 2^40 they start anew.
func (n *Numbers) block() (first, end uint64) {
	first = (n.next.Add(blockOf) - blockOf) & counterMask
	if first == 0 {
		return 1, blockOf
	}
	return first, first + blockOf
}
