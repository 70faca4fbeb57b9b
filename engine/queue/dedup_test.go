package queue

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"unsafe"
)

// smallest is the smallest table for a window.
func smallest(window int) *Dedup { return NewDedup(alignedWords(MinDedupWords(window)), window) }

// mapDedup is the table's dumb twin as long as no more than eight ids share a
// line, so that none is ever pushed out.
type mapDedup struct {
	ids    map[uint64]entry
	now    uint64
	window uint64
}

type entry struct {
	id, written uint64
	state       uint64
}

func (e entry) live(now, window uint64) bool { return e.state != dead && now-e.written <= window }

func (d *mapDedup) look(id uint64) Outcome {
	e := d.ids[id]
	return [...]Outcome{Fresh, InFlight, Duplicate}[e.state>>stateAt*b2u(e.live(d.now, d.window))]
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (d *mapDedup) put(id, state uint64) Outcome {
	o := d.look(id)
	if o == Fresh {
		d.ids[id] = entry{id, d.now, state}
	}
	return o
}

func (d *mapDedup) settle(id, state uint64) bool {
	if d.look(id) != InFlight {
		return false
	}
	d.ids[id] = entry{id, d.ids[id].written, state}
	return true
}

// TestDedupTwin holds full lines, through many generations and the wrap-around of
// their count, to the map.
func TestDedupTwin(t *testing.T) {
	for _, window := range []int{1, 3, 7} {
		d := smallest(window)
		d.startAt(nearWrap)
		twin := &mapDedup{ids: map[uint64]entry{}, now: nearWrap, window: uint64(window)}
		ids := d.idsOfLines(20, lineWords)
		rng := rand.New(rand.NewPCG(5, uint64(window)))
		for i := range 60_000 {
			id := ids[rng.IntN(len(ids))]
			var got, want any
			verb := rng.IntN(14)
			switch verb {
			case 0, 1, 2:
				got, want = d.Claim(id), twin.put(id, claimed)
			case 3:
				got, want = d.Insert(id), twin.put(id, committed)
			case 4, 5:
				got, want = d.Commit(id), twin.settle(id, committed)
			case 6, 7, 8:
				got, want = d.Abort(id), twin.settle(id, dead)
			case 9, 10, 11:
				got, want = d.Contains(id), twin.look(id) == Duplicate
			case 12:
				d.Sweep(rng.IntN(30))
			case 13:
				if rng.IntN(20) == 0 {
					d.Advance()
					twin.now++
				}
			}
			if got != want {
				t.Fatalf("window %d, operation %d, verb %d, id %d: got %v, want %v", window, i, verb, id, got, want)
			}
		}
		if n := d.Evictions(); n != 0 || d.Held() != window {
			t.Errorf("window %d: %d evictions, %d generations held, with eight ids a line", window, n, d.Held())
		}
	}
}

// ringLine is the dumb twin of one line that is too small: the words in the order
// in which they have their turn.
type ringLine struct {
	words     []entry
	now       uint64
	window    uint64
	evictions uint64
	youngest  uint64
}

func (l *ringLine) count(state uint64) (n int) {
	for _, e := range l.words {
		if e.live(l.now, l.window) && e.state == state {
			n++
		}
	}
	return n
}

func (l *ringLine) rotate() { l.words = append(l.words[1:], l.words[0]) }

func (l *ringLine) find(id uint64) *entry {
	for i := range l.words {
		if e := &l.words[i]; e.id == id && e.live(l.now, l.window) {
			return e
		}
	}
	return nil
}

func (l *ringLine) put(id, state uint64) Outcome {
	if e := l.find(id); e != nil {
		return [...]Outcome{Fresh, InFlight, Duplicate}[e.state>>stateAt]
	}
	inFlight := l.count(claimed)
	if inFlight == lineWords {
		l.rotate()
		return Crowded
	}
	spare := inFlight+l.count(committed) < lineWords
	for l.words[0].live(l.now, l.window) && (spare || l.words[0].state == claimed) {
		l.rotate()
	}
	if first := l.words[0]; first.live(l.now, l.window) {
		l.evictions++
		l.youngest = min(l.youngest, l.now-first.written)
	}
	l.words = append(l.words[1:], entry{id, l.now, state})
	return Fresh
}

func (l *ringLine) settle(id, state uint64) bool {
	e := l.find(id)
	if e == nil || e.state != claimed {
		return false
	}
	e.state = state
	return true
}

// TestDedupFullLine holds one line, that far too many ids share, to its twin: what
// is pushed out, in which order, and what is Crowded.
func TestDedupFullLine(t *testing.T) {
	const window = 3
	d := NewDedup(alignedWords(1<<17), window) // the serial never overflows
	d.startAt(nearWrap)
	twin := &ringLine{words: make([]entry, lineWords), now: nearWrap, window: window}
	ids := d.idsOfLines(1, 14)
	rng := rand.New(rand.NewPCG(6, 7))
	crowded, youngest := 0, uint64(window+1)
	twin.youngest = youngest
	for i := range 60_000 {
		id := ids[rng.IntN(len(ids))]
		var got, want any
		switch verb := rng.IntN(10); {
		case verb < 5:
			got, want = d.Claim(id), twin.put(id, claimed)
			crowded += int(b2u(got == Crowded))
		case verb < 6:
			got, want = d.Insert(id), twin.put(id, committed)
		case verb < 7:
			got, want = d.Commit(id), twin.settle(id, committed)
		case verb < 8:
			got, want = d.Abort(id), twin.settle(id, dead)
		case rng.IntN(10) == 0:
			d.Advance()
			twin.now++
			youngest, twin.youngest = twin.youngest, window+1
		}
		if got != want {
			t.Fatalf("operation %d, id %d: got %v, want %v", i, id, got, want)
		}
		if got, want := d.Evictions(), twin.evictions; got != want {
			t.Fatalf("operation %d: %d evictions, want %d", i, got, want)
		}
		if got, want := d.Held(), int(max(1, min(youngest, twin.youngest)))-1; got != want {
			t.Fatalf("operation %d: %d generations held, want %d", i, got, want)
		}
	}
	if crowded < 100 || twin.evictions < 100 {
		t.Errorf("only %d crowded and %d evictions: the test no longer tests them", crowded, twin.evictions)
	}
}

// TestDedupNeverMistakes: ids never seen before are fresh, however full the table.
func TestDedupNeverMistakes(t *testing.T) {
	d := smallest(1)
	rng := rand.New(rand.NewPCG(8, 9))
	step := rng.Uint64() | 1 // an odd step does not come round
	for i := range uint64(200_000) {
		if i%1024 == 0 {
			d.Advance()
		}
		if o := d.Insert(i * step); o != Fresh {
			t.Fatalf("id %d, the %dth, is %v", i*step, i, o)
		}
		if o := d.Insert(i * step); o != Duplicate {
			t.Fatalf("id %d, just inserted, is %v", i*step, o)
		}
	}
}

// TestDedupStaysDead: what has outlived the window stays forgotten, though nobody
// sweeps and the tags come round many times.
func TestDedupStaysDead(t *testing.T) {
	const window = 3
	for _, sweepEach := range []int{0, 1, 40, 1000} {
		d := smallest(window)
		d.startAt(nearWrap)
		ids := d.idsOfLines(30, 3)
		for _, id := range ids {
			d.Insert(id)
		}
		for age := range 20 * window {
			for _, id := range ids {
				if got, want := d.Contains(id), age <= window; got != want {
					t.Fatalf("%d lines swept a generation: after %d of them, Contains is %v", sweepEach, age, got)
				}
			}
			d.Sweep(sweepEach)
			d.Advance()
		}
	}
}

func TestDedupSweepCounts(t *testing.T) {
	d := smallest(3)
	for id := range uint64(100) {
		d.Insert(id)
	}
	if n := d.Sweep(d.keeper.lines); n != 0 {
		t.Errorf("swept %d ids within their window", n)
	}
	for range 4 {
		d.Advance()
	}
	if n := d.Sweep(2 * d.keeper.lines); n != 100 {
		t.Errorf("swept %d of 100 ids past their window", n)
	}
}

// TestDedupSweepIsEnough: a caller that sweeps the table twice a window never
// makes Advance do it.
func TestDedupSweepIsEnough(t *testing.T) {
	const window = 60
	d := smallest(window)
	share := 2*d.keeper.lines/window + 1
	swept := 0
	for range 1000 {
		d.Sweep(share)
		swept = (swept + share) % d.keeper.lines
		if d.Advance(); d.keeper.at != swept {
			t.Fatalf("Advance swept on from line %d to %d", swept, d.keeper.at)
		}
	}
}

// TestDedupFields: the fields of a word fill it, side by side, in tables of all
// sizes, and the smallest has a serial of the least width.
func TestDedupFields(t *testing.T) {
	for _, window := range []int{1, 2, 3, 4, 7, 8, 60, 1000} {
		for words := MinDedupWords(window); words <= max(1<<16, MinDedupWords(window)); words *= 2 {
			d := NewDedup(alignedWords(words), window)
			sum := d.rest + d.serial + d.tag + stateMask + sideBit
			or := d.rest | d.serial | d.tag | stateMask | sideBit
			if sum != ^uint64(0) || or != ^uint64(0) {
				t.Errorf("window %d, %d words: the fields overlap or leave gaps: %+v", window, words, d)
			}
			if last := d.tag >> d.tagAt; last < 2*uint64(window)+1 {
				t.Errorf("window %d: tags up to %d", window, last)
			}
			if words == MinDedupWords(window) && bits.OnesCount64(d.serial) != serialBitsMin {
				t.Errorf("window %d: serial %#x in the smallest table", window, d.serial)
			}
		}
	}
}

// TestDedupNeverRepeatsAValue: what a word once held it never holds again, as long
// as its tag has not come round. Ids and states are few, so that nothing else tells
// two values apart.
func TestDedupNeverRepeatsAValue(t *testing.T) {
	const window = 60
	d := smallest(window)
	ids := d.idsOfLines(1, lineWords+2)
	l := d.lineAt(0)
	var before [lineWords]uint64
	seen := map[[2]uint64]bool{}
	rng := rand.New(rand.NewPCG(11, 12))
	answers := map[Outcome]int{}
	for i := range 60_000 {
		id := ids[rng.IntN(len(ids))]
		switch verb := rng.IntN(8); {
		case verb < 3:
			answers[d.Claim(id)]++
		case verb < 4:
			answers[d.Insert(id)]++
		case verb < 5:
			d.Commit(id)
		default:
			d.Abort(id)
		}
		if i%600 == 0 { // 100 generations: the tags go up to 127
			d.Advance()
		}
		for i, old := range before {
			w := l[i].Load()
			if w != old && seen[[2]uint64{uint64(i), w}] {
				t.Fatalf("word %d is %#x for the second time", i, w)
			}
			seen[[2]uint64{uint64(i), w}] = true
			before[i] = w
		}
	}
	if answers[Crowded] < 1000 || answers[Fresh] < 1000 {
		t.Errorf("answers %v: the test no longer tests the overflow", answers)
	}
}

// TestDedupOverflow: a line takes so many ids in a generation and no more, and as
// many again in the next, and when the same tag has come round.
func TestDedupOverflow(t *testing.T) {
	d := smallest(60)
	ids := d.idsOfLines(1, 300)
	round := int(d.tag>>d.tagAt) + 1
	for generation := range round + 2 {
		if generation <= 1 || generation == round+1 {
			taken := 0
			for _, id := range ids[100*min(generation, 2):][:100] {
				if d.Insert(id) == Fresh {
					taken++
				}
			}
			most := lineWords << (serialBitsMin + 1) // each word each serial on each side, less one or two
			if least := most - 2*lineWords; taken > most || taken < least {
				t.Errorf("generation %d: took %d ids, want %d to %d", generation, taken, least, most)
			}
		}
		d.Advance()
	}
}

func TestMixIsABijection(t *testing.T) {
	unmix := func(m uint64) uint64 {
		m *= inverse(0x94d049bb133111eb)
		m = (m ^ m>>27 ^ m>>54) * inverse(0xbf58476d1ce4e5b9)
		return m ^ m>>30 ^ m>>60
	}
	if err := quick.Check(func(id uint64) bool { return unmix(mix(id)) == id }, nil); err != nil {
		t.Error(err)
	}
}

// inverse is that of an odd number modulo 2^64, by Newton's method.
func inverse(n uint64) uint64 {
	x := n
	for range 6 {
		x *= 2 - n*x
	}
	return x
}

// TestMixSpreads: the ids that producers count up fill the lines evenly.
func TestMixSpreads(t *testing.T) {
	const lines = 1 << 12
	for name, id := range map[string]func(i uint64) uint64{
		"counter":     func(i uint64) uint64 { return i },
		"producers":   func(i uint64) uint64 { return i%64<<40 | i/64 },
		"by 1024":     func(i uint64) uint64 { return i << 10 },
		"high bits":   func(i uint64) uint64 { return i << 48 },
		"upside down": func(i uint64) uint64 { return ^i },
	} {
		load := make([]int, lines)
		for i := range uint64(4 * lines) {
			load[mix(id(i))>>52]++
		}
		sum := 0.0
		for _, n := range load {
			sum += float64((n - 4) * (n - 4))
		}
		if spread := sum / 4 / lines; spread > 1.15 { // 1 for a Poisson distribution, give or take 0.02
			t.Errorf("%s: variance %.2f times its mean", name, spread)
		}
	}
}

func TestDedupRefusesBadMemory(t *testing.T) {
	for _, c := range []struct {
		words  []uint64
		window int
		want   string
	}{
		{alignedWords(1000), 1, "1000 words: give a power of two, such as 1024"},
		{alignedWords(1024), 60, "1024 words cannot remember ids for 60 generations: give 1 generation or more, and 32768 words or more"},
		{alignedWords(1 << 15), 0, "for 0 generations: give 1"},
		{alignedWords(1<<15 + 8)[1:][:1<<15], 60, "give memory that starts on a cache line"},
	} {
		if got := panicOf(func() { NewDedup(c.words, c.window) }); !strings.Contains(got, c.want) {
			t.Errorf("panic %q, want one with %q", got, c.want)
		}
	}
}

func TestDedupCleansItsMemory(t *testing.T) {
	words := alignedWords(MinDedupWords(1))
	for i := range words {
		words[i] = ^uint64(0)
	}
	NewDedup(words, 1)
	if !reflect.DeepEqual(words, make([]uint64, len(words))) {
		t.Error("not zeroed")
	}
}

func TestDedupBatches(t *testing.T) {
	d := smallest(1)
	ids := make([]uint64, 50)
	for i := range ids {
		ids[i] = uint64(i % 40)
	}
	got := make([]Outcome, len(ids))
	d.ClaimBatch(ids, got)
	for i, o := range got {
		if want := [...]Outcome{Fresh, InFlight}[i/40]; o != want {
			t.Errorf("id %d: claimed as %v, want %v", ids[i], o, want)
		}
	}
	for _, id := range ids[:40] {
		d.Commit(id)
	}
	d.InsertBatch(ids, got)
	for i, o := range got {
		if o != Duplicate {
			t.Errorf("id %d: inserted as %v", ids[i], o)
		}
	}
}

func TestOutcomeNames(t *testing.T) {
	if got := fmt.Sprint(Fresh, Duplicate, InFlight, Crowded); got != "fresh duplicate in flight crowded" {
		t.Error(got)
	}
}

func TestDedupLayout(t *testing.T) {
	var d Dedup
	apart(t, "Dedup", unsafe.Sizeof(d), []span{
		{"settings", unsafe.Offsetof(d.lines), unsafe.Offsetof(d.tagAt) + 1},
		{"now", unsafe.Offsetof(d.generation), unsafe.Offsetof(d.before) + 8},
		{"evictions", unsafe.Offsetof(d.evictions), unsafe.Offsetof(d.evictions) + 8},
		{"keeper", unsafe.Offsetof(d.keeper), unsafe.Offsetof(d.keeper) + unsafe.Sizeof(d.keeper)},
	})
}

func TestDedupDoesNotAllocate(t *testing.T) {
	d := smallest(1)
	var ids [20]uint64
	var outcomes [20]Outcome
	if n := testing.AllocsPerRun(1000, func() {
		ids[0]++
		d.Claim(ids[0])
		d.Commit(ids[0])
		d.Contains(ids[0])
		d.ClaimBatch(ids[:], outcomes[:])
		d.InsertBatch(ids[:], outcomes[:])
		d.Sweep(1)
		d.Advance()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
