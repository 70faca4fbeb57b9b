package queue

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// The table as porcupine is told of it: one id at a time, for as long as no more
// than eight share a line, ids know nothing of each other.
type verb uint8

const (
	verbClaim verb = iota
	verbInsert
	verbCommit
	verbAbort
	verbContains
	verbs
)

type request struct {
	verb verb
	id   uint64
}

// do runs a request and returns its answer as a number: an Outcome, or 1 for true.
func (r request) do(d *Dedup) int {
	switch r.verb {
	case verbClaim:
		return int(d.Claim(r.id))
	case verbInsert:
		return int(d.Insert(r.id))
	case verbCommit:
		return int(b2u(d.Commit(r.id)))
	case verbAbort:
		return int(b2u(d.Abort(r.id)))
	}
	return int(b2u(d.Contains(r.id)))
}

// step is what the request answers in a state of its id, and the state after it.
func (r request) step(state uint64) (answer int, after uint64) {
	known := int([...]Outcome{Fresh, InFlight, Duplicate}[state>>stateAt])
	switch {
	case r.verb == verbContains:
		return int(b2u(state == committed)), state
	case r.verb == verbClaim && state == dead:
		return known, claimed
	case r.verb == verbInsert && state == dead:
		return known, committed
	case r.verb == verbClaim || r.verb == verbInsert:
		return known, state
	case state != claimed:
		return 0, state
	case r.verb == verbCommit:
		return 1, committed
	}
	return 1, dead
}

var tableModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		byID := map[uint64]int{}
		for _, o := range history {
			id := o.Input.(request).id
			part, ok := byID[id]
			if !ok {
				part = len(parts)
				byID[id], parts = part, append(parts, nil)
			}
			parts[part] = append(parts[part], o)
		}
		return parts
	},
	Init: func() any { return dead },
	Step: func(state, input, output any) (bool, any) {
		answer, after := input.(request).step(state.(uint64))
		return answer == output.(int), after
	},
}

// TestDedupLinearizable has goroutines claim, commit, abort, insert and look up
// eight ids of one line, and holds each history to the model.
func TestDedupLinearizable(t *testing.T) {
	const clients, each = 6, 60
	histories := 150
	if testing.Short() {
		histories = 30
	}
	crowd(t)
	seed := uint64(0)
	soak(t, func() {
		for range histories {
			seed++
			linearizable(t, seed, clients, each)
		}
	})
}

func linearizable(t *testing.T, seed uint64, clients, each int) {
	d := NewDedup(alignedWords(1<<16), 1) // a serial of five bits
	ids := d.idsOfLines(1, lineWords)
	var clock atomic.Int64
	history := make([]porcupine.Operation, clients*each)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(c)))
			for i := range each {
				r := request{verb(rng.IntN(int(verbs))), ids[rng.IntN(len(ids))]}
				o := porcupine.Operation{ClientId: c, Input: r, Call: clock.Add(1)}
				if rng.IntN(4) == 0 {
					runtime.Gosched()
				}
				o.Output = r.do(d)
				o.Return = clock.Add(1)
				history[c*each+i] = o
			}
		})
	}
	wg.Wait()
	if got := porcupine.CheckOperationsTimeout(tableModel, history, 20*time.Second); got != porcupine.Ok {
		t.Fatalf("history %d is not linearizable: %v", seed, got)
	}
	if n := d.Evictions(); n != 0 {
		t.Fatalf("%d evictions in a line of eight ids", n)
	}
}

// TestDedupLinearizableRefuses: the model tells a wrong history.
func TestDedupLinearizableRefuses(t *testing.T) {
	twice := []porcupine.Operation{
		{ClientId: 0, Input: request{verbClaim, 1}, Call: 1, Output: int(Fresh), Return: 4},
		{ClientId: 1, Input: request{verbClaim, 1}, Call: 2, Output: int(Fresh), Return: 3},
	}
	if porcupine.CheckOperations(tableModel, twice) {
		t.Error("one id claimed twice passed for linearizable")
	}
}

// TestDedupClaimsExclude: an id is never claimed by two at once, and never lost
// by its holder, though every line is too small for its ids, its serial as narrow
// as can be, and time goes on.
func TestDedupClaimsExclude(t *testing.T) {
	const clients, window = 6, 60
	each := 100_000
	if testing.Short() {
		each = 20_000
	}
	crowd(t)
	soak(t, func() { contend(t, clients, window, each) })
}

func contend(t *testing.T, clients, window, each int) {
	d := smallest(window)
	ids := d.idsOfLines(3, 12)
	holders := make([]atomic.Int32, len(ids))
	var crowded atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(10, uint64(c)))
			var held []int // indices of the ids that this client holds
			for n := range each {
				if i := rng.IntN(len(ids)); n < each-8 && len(held) < 8 {
					switch d.Claim(ids[i]) {
					case Fresh:
						held = append(held, i)
						if n := holders[i].Add(1); n != 1 {
							t.Errorf("id %d has %d holders", ids[i], n)
						}
					case Crowded:
						crowded.Add(1)
					}
				}
				if len(held) > 0 && (n >= each-8 || rng.IntN(2) == 0) {
					i := held[0]
					held = held[1:]
					holders[i].Add(-1)
					settle := d.Commit
					if rng.IntN(2) == 0 {
						settle = d.Abort
					}
					if !settle(ids[i]) {
						t.Errorf("the claim on id %d was lost", ids[i])
					}
				}
				if c == 0 && n%(each/window+1) == 0 { // one client keeps the time, for less than the window
					d.Sweep(100)
					d.Advance()
				}
			}
		})
	}
	wg.Wait()
	if d.Evictions() == 0 || crowded.Load() == 0 {
		t.Errorf("%d evictions and %d crowded: the test no longer tests them", d.Evictions(), crowded.Load())
	}
}

// TestDedupSettledOnce: of a commit and an abort of one claim, at once, exactly one
// succeeds, and that one holds.
func TestDedupSettledOnce(t *testing.T) {
	const ids = 20_000
	d := NewDedup(alignedWords(1<<18), 1)
	var results [2][ids]bool
	var arrived atomic.Int64
	var wg sync.WaitGroup
	for id := range uint64(ids) {
		d.Claim(id)
	}
	for i, settle := range []func(uint64) bool{d.Commit, d.Abort} {
		wg.Go(func() {
			var idle patience
			for id := range int64(ids) {
				for arrived.Add(1); arrived.Load() < 2*id+2; { // until the other is there too
					if !idle.wait(false) {
						return
					}
				}
				idle = 0
				results[i][id] = settle(uint64(id))
			}
		})
	}
	wg.Wait()
	for id := range uint64(ids) {
		kept, dropped := results[0][id], results[1][id]
		if kept == dropped || d.Contains(id) != kept {
			t.Fatalf("id %d: commit %v, abort %v, contains %v", id, kept, dropped, d.Contains(id))
		}
	}
}

// TestDedupOneIsFresh: of all who insert an id at once exactly one finds it fresh,
// while another goroutine keeps the time.
func TestDedupOneIsFresh(t *testing.T) {
	const clients, ids = 4, 100_000
	crowd(t)
	d := NewDedup(alignedWords(1<<20), 60)
	var fresh atomic.Int64
	var wg, keeper sync.WaitGroup
	for range clients {
		wg.Go(func() {
			n := int64(0)
			var batch [50]uint64
			var outcomes [50]Outcome
			for id := uint64(0); id < ids; id += uint64(len(batch)) {
				for i := range batch {
					batch[i] = id + uint64(i)
				}
				d.InsertBatch(batch[:], outcomes[:])
				for _, o := range outcomes {
					n += int64(b2u(o == Fresh))
				}
			}
			fresh.Add(n)
		})
	}
	done := make(chan struct{})
	keeper.Go(func() {
		for range 50 { // generations: fewer than the window
			select {
			case <-done:
				return
			default:
				d.Sweep(1000)
				d.Advance()
				runtime.Gosched()
			}
		}
	})
	wg.Wait()
	close(done)
	keeper.Wait()
	if n := fresh.Load(); n != ids || d.Evictions() != 0 {
		t.Errorf("%d fresh of %d ids, %d evictions", n, ids, d.Evictions())
	}
}
