package queue

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"eventstreamcore/engine/event"
)

// memory is the dumb twin: it forgets nothing, and knows what may be forgotten.
type memory struct {
	ids    map[uint64]entry
	now    uint64
	window uint64
}

// may reports whether o is a right answer to one who comes with id.
func (m *memory) may(id uint64, o Outcome) bool {
	e := m.ids[id]
	if o == Fresh {
		return !e.live(m.now, m.window)
	}
	return o == [...]Outcome{Fresh, InFlight, Duplicate}[e.state>>stateAt]
}

// stream makes the ids of one producer: mostly the next, some out of order, some
// left out, some again.
type stream struct {
	producer, next uint64
	sent           []uint64
}

func (s *stream) id(rng *rand.Rand) uint64 {
	c := s.next
	switch p := rng.IntN(1000); {
	case p < 600:
		s.next++
	case p < 800 && s.next > 200: // late, or again
		c -= rng.Uint64N(200)
	case p < 815:
		s.next += rng.Uint64N(4)
	case p < 816: // far ahead
		s.next += rng.Uint64N(6 * trackBits)
	case len(s.sent) > 0:
		c = s.sent[rng.IntN(len(s.sent))]
	}
	s.sent = append(s.sent, c)
	return s.producer<<event.CounterBits | c
}

// TestRisingTwin has more producers than tracks count up, well behaved and not, and
// holds every answer to the twin.
func TestRisingTwin(t *testing.T) {
	for seed := range uint64(4) {
		const window = 2
		rng := rand.New(rand.NewPCG(13, seed))
		table := NewDedup(alignedWords(1<<19), window)
		r := NewRising(make([]Track, 4), table)
		twin := memory{ids: map[uint64]entry{}, window: window}
		var streams [6]stream
		for i := range streams {
			streams[i] = stream{producer: uint64(i) * 7, next: rng.Uint64N(1 << 20)}
		}
		var held []uint64 // claims not settled yet
		for i := range 40_000 {
			busy := i / 5_000 % 4 // streams rest by turns, so that tracks change hands
			id := streams[(busy+rng.IntN(3))%len(streams)].id(rng)
			switch verb := rng.IntN(4); verb {
			case 0, 1:
				put, state := r.Insert, committed
				if verb == 0 {
					put, state = r.Claim, claimed
				}
				o := put(id)
				if !twin.may(id, o) {
					t.Fatalf("seed %d, operation %d: id %#x is %v, but was %+v at %d", seed, i, id, o, twin.ids[id], twin.now)
				}
				if o == Fresh {
					twin.ids[id] = entry{id, twin.now, state}
				}
				if o == Fresh && state == claimed {
					held = append(held, id)
				}
			case 2:
				known, o := r.Contains(id), Fresh
				if known {
					o = Duplicate
				}
				if e := twin.ids[id]; !twin.may(id, o) && e.state != claimed {
					t.Fatalf("seed %d, operation %d: Contains(%#x) is %v, but it was %+v at %d", seed, i, id, known, e, twin.now)
				}
			case 3:
				for len(held) > rng.IntN(8) {
					id := held[0]
					held = held[1:]
					settle, state := r.Commit, committed
					if rng.IntN(4) == 0 {
						settle, state = r.Abort, dead
					}
					if e := twin.ids[id]; settle(id) {
						twin.ids[id] = entry{id, e.written, state}
					} else if e.live(twin.now, window) {
						t.Fatalf("seed %d, operation %d: the claim on id %#x was lost", seed, i, id)
					}
				}
			}
			if i%1500 == 0 {
				table.Advance()
				twin.now++
			}
		}
		if n := table.Evictions(); n != 0 {
			t.Fatalf("%d evictions: the table is too small for the test", n)
		}
	}
}

// TestRisingCostsNothing: a well-behaved producer's ids never reach the table, nor
// do a few that are missing.
func TestRisingCostsNothing(t *testing.T) {
	table := smallest(1)
	r := NewRising(make([]Track, 1), table)
	const first, producer = 1<<event.CounterBits - 60_000, 5 << event.CounterBits
	missing := func(c uint64) bool { return c%8_000 == 0 }
	for c := uint64(first); c < 1<<event.CounterBits; c++ {
		if missing(c) {
			continue
		}
		if o := r.Insert(producer | c); o != Fresh {
			t.Fatalf("counter %d is %v", c, o)
		}
	}
	if track := r.tracks[0]; track.until != 0 {
		t.Errorf("the table is asked until generation %d", track.until)
	}
	for i := range table.keeper.lines {
		for j := range lineWords {
			if w := table.lineAt(uint64(i))[j].Load(); w != 0 {
				t.Fatalf("the table holds %#x", w)
			}
		}
	}
	for c := uint64(first); c < 1<<event.CounterBits; c++ {
		want := Duplicate
		if missing(c) {
			want = Fresh
		}
		if o := r.Insert(producer | c); o != want {
			t.Fatalf("counter %d, the second time, is %v, want %v", c, o, want)
		}
	}
}

// insertAll inserts the counters from and up to, but not, to.
func insertAll(t *testing.T, r *Rising, producer, from, to uint64, want Outcome) {
	t.Helper()
	for c := from; c < to; c++ {
		if o := r.Insert(producer<<event.CounterBits | c); o != want {
			t.Fatalf("counter %d is %v, want %v", c, o, want)
		}
	}
}

// TestRisingNeverPassesAClaim: a claim holds up its track, and loses neither itself
// nor what has to go to the table meanwhile; when it is settled the track moves on
// over all of that.
func TestRisingNeverPassesAClaim(t *testing.T) {
	r := NewRising(make([]Track, 1), NewDedup(alignedWords(1<<16), 2))
	if o := r.Claim(100); o != Fresh {
		t.Fatal(o)
	}
	insertAll(t, r, 0, 101, 100+trackBits+400, Fresh)
	if o := r.Claim(100); o != InFlight {
		t.Fatalf("the claim is %v", o)
	}
	if !r.Commit(100) || r.Commit(100) {
		t.Fatal("the claim was lost, or stayed")
	}
	const last = 100 + 3*trackBits
	insertAll(t, r, 0, 100+trackBits+400, last, Fresh)
	if track := r.tracks[0]; track.low != last || track.holed != 0 {
		t.Errorf("low is %d with %d holes, want %d with none", track.low, track.holed, last)
	}
	insertAll(t, r, 0, 100, last, Duplicate)
}

// TestRisingAsksTheTableLongEnough: what went to the table is asked for there to
// the last generation in which it knows it, though the track covers it by now.
func TestRisingAsksTheTableLongEnough(t *testing.T) {
	const window, far = 3, 100 + trackBits + 10
	table := NewDedup(alignedWords(1<<16), window)
	r := NewRising(make([]Track, 1), table)
	r.Claim(100)
	insertAll(t, r, 0, far, far+1, Fresh) // the table's
	r.Commit(100)
	for age := range 2 * window {
		insertAll(t, r, 0, 101+uint64(age)*20, 121+uint64(age)*20, Fresh) // the track moves on
		known := table.Contains(far)
		if got := r.Contains(far); got != known || known != (age <= window) {
			t.Errorf("after %d generations, Contains is %v, the table's %v", age, got, known)
		}
		table.Advance()
	}
}

// TestRisingTrackChangesHands: a producer that loses its track, while the table
// knows ids of its, finds them again with the next.
func TestRisingTrackChangesHands(t *testing.T) {
	const window, far = 3, 100 + 5*trackBits
	table := NewDedup(alignedWords(1<<16), window)
	r := NewRising(make([]Track, 1), table)
	insertAll(t, r, 1, 100, 101, Fresh)
	for range window {
		table.Advance()
	}
	insertAll(t, r, 1, far, far+1, Fresh) // the table's, while the track grows old
	table.Advance()
	insertAll(t, r, 2, 7, 8, Fresh)
	for range window - 1 {
		table.Advance()
	}
	r.tracks[0].used -= window // producer 2 is idle
	insertAll(t, r, 1, far-1, far, Fresh)
	insertAll(t, r, 1, far, far+1, Duplicate)
}

func TestRisingRefusesBadMemory(t *testing.T) {
	if got := panicOf(func() { NewRising(make([]Track, 3), smallest(1)) }); !strings.Contains(got, "3 tracks: give a power of two, such as 4") {
		t.Error(got)
	}
}

func TestRisingDoesNotAllocate(t *testing.T) {
	table := smallest(1)
	r := NewRising(make([]Track, 2), table)
	id := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		for p := range uint64(4) {
			producer := p << event.CounterBits
			r.Claim(producer | id)
			r.Commit(producer | id)
			r.Insert(producer | id + 5_000)
			r.Contains(producer | id)
		}
		id += 3
		table.Advance()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRising(b *testing.B) {
	for _, producers := range []uint64{1, 16} {
		b.Run(fmt.Sprintf("op=insert/producers=%d", producers), func(b *testing.B) {
			r := NewRising(make([]Track, 64), smallest(1))
			c, p := uint64(0), uint64(0)
			for b.Loop() {
				r.Insert(p<<event.CounterBits | c)
				if p++; p == producers {
					c, p = c+1, 0
				}
			}
		})
	}
}

// BenchmarkRandomIDs is what the tracks cost those who do not count up: one
// producer of random counters, and as many producers as there are ids.
func BenchmarkRandomIDs(b *testing.B) {
	for name, producers := range map[string]uint64{"one": 1, "random": 1 << 24} {
		b.Run("op=insert/producers="+name, func(b *testing.B) {
			r, x := NewRising(make([]Track, 4096), smallest(1)), uint64(1)
			for b.Loop() {
				x = x*6364136223846793005 + 1442695040888963407
				r.Insert(x>>24%producers<<event.CounterBits | x>>24)
			}
		})
	}
}
