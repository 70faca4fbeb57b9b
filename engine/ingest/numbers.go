package ingest

import "sync/atomic"

// Numbers gives out the server's own ids: producer 0 and a counter of 40 bits,
// one for all intakes. An id is also what an event is recognised by, and no log
// says which were given before a restart, for not every event is stored. So the
// counter begins where the clock stands, in steps shorter than an id takes: it is
// beyond all that were given, unless the clock was set back, and comes round
// after 9.7 hours. Each Intake takes a block at a time, so that they meet here
// once in 4096 events; a block that is not used up leaves a gap.
type Numbers struct{ next atomic.Uint64 }

const (
	blockOf     = 1 << 12   // ids a block
	counterMask = 1<<40 - 1 // the counter's share of an id
	idStep      = 32        // ns: 31 million ids a second are twice what comes in
)

// NewNumbers starts at a time, in ns of CLOCK_REALTIME.
func NewNumbers(wall int64) *Numbers {
	n := new(Numbers)
	n.next.Store((uint64(wall)/idStep/blockOf + 1) * blockOf)
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
